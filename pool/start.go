package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// obedience is how long a call of the factory may take to return once its context
// has ended. Whoever waits for its result waits so much longer than the context, or
// would never hear what the factory has to say about the end of its time.
const obedience = 100 * time.Millisecond

// begin does what the start setting asks for.
func (p *Pool[T]) begin(ctx context.Context) error {
	switch p.cfg.Start {
	case Strict:
		return p.beginStrict(ctx)
	case Lazy, Warm:
		p.mu.Lock()
		p.growLocked(clock.Now())
		p.mu.Unlock()
	}
	return nil
}

// beginStrict makes the first worker through an ordinary borrowing, so that a
// failure leaves nothing else to undo than to close the pool.
func (p *Pool[T]) beginStrict(ctx context.Context) error {
	if p.cfg.Size+p.cfg.MaxOverflow == 0 {
		return nil // there is nothing that could be proven
	}
	begun := false
	defer func() { // also if the context or a reset panics
		if !begun {
			p.giveUp()
		}
	}()
	l, err := p.acquire(ctx, CheckoutOptions{Timeout: min(p.cfg.CreateTimeout, math.MaxInt64-obedience) + obedience, At: clock.Now()})
	if err != nil {
		return p.notStarted(err)
	}
	l.Release()
	begun = true
	return nil
}

// giveUp closes a pool that nobody will ever see.
func (p *Pool[T]) giveUp() {
	ctx, cancel := context.WithTimeout(context.Background(), obedience)
	defer cancel()
	_ = p.Close(ctx) // what counts is why it could not start
}

// notStarted turns the refusal of the first borrower into that of the start: it has
// not met an occupied pool but a factory that makes nothing.
func (p *Pool[T]) notStarted(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.PoolTimeout {
		return err
	}
	p.mu.Lock()
	cause := p.health.lastErr // of one of several that were being made
	p.mu.Unlock()
	if cause == nil {
		cause = f.Unwrap() // of the context
	}
	if cause == nil {
		cause = fmt.Errorf("create_timeout %v: %w", p.cfg.CreateTimeout, context.DeadlineExceeded)
	}
	return fault.New(fault.Spec{
		Code: fault.WorkerFailed, Component: component, Name: p.name, Cause: cause, Message: "no worker was made in the time that the start had",
	})
}
