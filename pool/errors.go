package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// errExited stands for a call of the factory that ended its goroutine.
var errExited = errors.New("the factory ended its goroutine")

// calling runs a function of the factory and turns a panic into an error: a
// worker that cannot be made, checked or closed without a panic has failed, and
// the goroutine may be the pool's own, where nobody else could catch it.
func calling(call func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the factory panicked: %.200v", cause)
		}
	}()
	return call()
}

func (p *Pool[T]) refusedClosed() error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: component, Name: p.name, Message: "the pool is closed"})
}

// refusedDone answers a caller whose context is done: giving up is canceled, and a
// deadline that has passed is pool_timeout, whether it waited or came too late.
func (p *Pool[T]) refusedDone(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return p.refusedTimeout(ctx, 0, context.Cause(ctx))
	}
	p.count(&p.counts.canceled)
	return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Name: p.name, Cause: context.Cause(ctx)})
}

func (p *Pool[T]) refusedTimeout(ctx context.Context, timeout time.Duration, cause error) error {
	p.mu.Lock()
	p.counts.timeouts++
	p.sweepLocked()
	evidence, waiting := p.occupancyLocked(), p.queue.len
	p.mu.Unlock()
	message := "the caller's deadline passed before it had a worker"
	if cause == nil {
		message = "no worker became free within " + max(0, timeout).String()
	}
	if p.topics.timedOut.Active() {
		p.topics.timedOut.Emit(ctx, TimedOut{Pool: p.name, Waited: timeout, Waiting: waiting})
	}
	return fault.New(fault.Spec{
		Code: fault.PoolTimeout, Component: component, Name: p.name, Message: message, Evidence: evidence, Cause: cause,
	})
}

func (p *Pool[T]) refusedFull(ctx context.Context) error {
	p.mu.Lock()
	p.counts.full++
	p.sweepLocked()
	evidence, inUse, waiting := p.occupancyLocked(), p.lent, p.queue.len
	p.mu.Unlock()
	if p.topics.refusedFull.Active() {
		p.topics.refusedFull.Emit(ctx, RefusedFull{Pool: p.name, InUse: inUse, Waiting: waiting})
	}
	return fault.New(fault.Spec{Code: fault.PoolFull, Component: component, Name: p.name, Evidence: evidence})
}

func (p *Pool[T]) occupancyLocked() []fault.Fact {
	return []fault.Fact{
		fault.Against("in_use", float64(p.lent), float64(p.capacityLocked()), "workers"),
		fault.Against("waiting", float64(p.queue.len), float64(p.cfg.MaxWaiters), "borrowers"),
	}
}

// refusedFailing is the one error of a failing factory between two attempts.
func (p *Pool[T]) refusedFailing(cause error, failures int, retryAt time.Time) *fault.Error {
	return fault.New(fault.Spec{
		Code: fault.WorkerFailed, Component: component, Name: p.name, Cause: cause, RetryAt: retryAt,
		Evidence: []fault.Fact{fault.Measure("failed_attempts", float64(failures), "")},
	})
}
