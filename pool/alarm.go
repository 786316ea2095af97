package pool

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// alarm runs something of the pool's own at a given time, in a goroutine that
// exists only then. The pool's lock guards it. An alarm that is set is a job that
// Close waits for, or stops.
type alarm struct {
	run   func()
	timer *time.Timer // made when first needed
	at    clock.Instant
	set   bool
}

// armLocked makes sure that a rings at the given time or earlier.
func (p *Pool[T]) armLocked(a *alarm, now, at clock.Instant) {
	if p.closed || a.set && a.at <= at {
		return
	}
	wait := max(0, at.Sub(now))
	switch {
	case a.set && !a.timer.Stop():
		return // it rings at this moment, and whoever answers it looks at everything
	case a.set:
		a.timer.Reset(wait)
	case a.timer == nil:
		p.jobs++
		a.timer = time.AfterFunc(wait, func() { p.ring(a) })
	default:
		p.jobs++
		a.timer.Reset(wait)
	}
	a.set, a.at = true, at
}

func (p *Pool[T]) ring(a *alarm) {
	defer p.jobDone()
	p.mu.Lock()
	a.set = false
	closed := p.closed
	p.mu.Unlock()
	if !closed {
		a.run()
	}
}

// disarmLocked stops a; if it rings at this moment, its own job ends it.
func (p *Pool[T]) disarmLocked(a *alarm) {
	if a.set && a.timer.Stop() {
		a.set = false
		p.jobs--
	}
}
