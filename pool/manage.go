package pool

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Config implements [Managed]: it returns what New or Reconfigure was given.
func (p *Pool[T]) Config() Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.given
}

// Reconfigure replaces the settings while the pool is in use. Nobody waits for
// it, no call fails because of it, and an identical configuration changes nothing.
// A smaller pool closes idle workers at once and the others as they come back; a
// larger one serves its waiters at once. New deadlines, lifetimes and checks hold
// for what begins afterwards; Start only says whether Size workers are kept made.
//
// On error, invalid_config or closed, everything stays as it was.
func (p *Pool[T]) Reconfigure(cfg Config) error {
	var ps fault.Problems
	cfg.check(&ps)
	if err := ps.Err(component, p.name); err != nil {
		return err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return p.refusedClosed()
	}
	defer p.mu.Unlock()
	if cfg == p.given {
		return nil
	}
	p.given, p.cfg = cfg, cfg.effective()
	p.patient.Store(int64(p.cfg.CheckAfter))
	p.calmLocked(false) // until a worker comes back under the new settings
	now := clock.Now()
	for p.idle.len > 0 && len(p.slots)+p.making > p.cfg.Size {
		s := p.idle.head()
		p.idle.remove(s)
		p.destroyLocked(s, reasonResized, nil)
	}
	p.growLocked(now)
	p.rearmLocked(now)
	return nil
}

// Close ends the pool: waiters and later borrowers are refused with closed, idle
// workers are closed, borrowed ones as they come back. It returns nil once every
// worker is closed and every goroutine of the pool has ended.
//
// It returns a *fault.Error of code unavailable that says what is left when ctx is
// done, or when nothing but calls of the factory is left and the newest of these
// lasts longer than create_timeout although it was told to stop. The pool goes on
// ending by itself then. Close may be called again, and by several goroutines.
func (p *Pool[T]) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closeLocked()
	}
	grace := p.cfg.CreateTimeout
	p.mu.Unlock()
	p.stop()
	begun := clock.Now()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	for {
		select {
		case <-p.drained:
			return nil
		case <-ctx.Done():
			return p.notClosed(context.Cause(ctx))
		case <-timer.C:
			left := p.graceLeft(begun, grace)
			if left <= 0 {
				return p.notClosed(context.DeadlineExceeded)
			}
			timer.Reset(left)
		}
	}
}

func (p *Pool[T]) closeLocked() {
	p.closed = true
	p.calmLocked(false)
	p.degraded.Store(nil) // closed is the better answer
	p.dismissLocked(refusal{code: fault.Closed}, everyone)
	for _, a := range []*alarm{&p.expiry, &p.retry, &p.upkeep} {
		p.disarmLocked(a)
	}
	for p.idle.len > 0 {
		s := p.idle.head()
		p.idle.remove(s)
		p.destroyLocked(s, reasonClosed, nil)
	}
	p.checkDrainedLocked()
}

// callsLocked notes that a call of the factory begins, if Close has to wait for it.
func (p *Pool[T]) callsLocked() {
	if p.closed {
		p.lastCall = clock.Now()
	}
}

// graceLeft is when Close, which was called at begun, has to look again; 0 or less
// when nothing but calls of the factory is left and all of these had their time.
func (p *Pool[T]) graceLeft(begun clock.Instant, grace time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lent > p.atFactory {
		return grace
	}
	return max(begun, p.lastCall).Add(grace).Sub(clock.Now())
}

// notClosed says what is left, nil if nothing is: the pool may have ended at the same
// moment as the patience with it.
func (p *Pool[T]) notClosed(cause error) error {
	select {
	case <-p.drained:
		return nil
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fault.New(fault.Spec{
		Code: fault.Unavailable, Component: component, Name: p.name, Cause: cause,
		Message: "the pool is closed, but not everything in it has ended",
		Evidence: []fault.Fact{
			fault.Measure("in_use", float64(p.lent), "workers"), fault.Measure("making", float64(p.making), "workers"),
			fault.Measure("closing", float64(p.closing), "workers"),
		},
	})
}
