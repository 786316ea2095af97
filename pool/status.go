package pool

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/telemetry"
)

// Stats returns the counts of this moment. It looks at every worker once.
func (p *Pool[T]) Stats() Stats {
	p.mu.Lock()
	s := p.statsLocked(clock.Now())
	p.mu.Unlock()
	s.HoldTime = p.hold.Snapshot().Total()
	return s
}

// statsLocked leaves out HoldTime, which takes microseconds.
func (p *Pool[T]) statsLocked(now clock.Instant) Stats {
	p.sweepLocked()
	c := &p.counts
	s := Stats{
		Size: p.cfg.Size, MaxOverflow: p.cfg.MaxOverflow, Idle: p.idle.len, InUse: p.lent + p.probing,
		Making: p.making, Closing: p.closing, Waiting: p.queue.len,
		Checkouts: c.checkouts + p.lanes.lends(), Waits: c.waits, Timeouts: c.timeouts, Full: c.full, Canceled: c.canceled, Failed: c.failed,
		Attempts: c.attempts, Created: c.created, Failures: c.failures, Destroyed: c.destroyed, BadChecks: c.badChecks,
		Resets: c.resets, Leaked: c.leaked, StaleEnds: c.stale, WaitTime: time.Duration(p.waitTime.Load()),
	}
	for _, w := range p.slots {
		if w.lent {
			s.OldestLoan = max(s.OldestLoan, w.borrowedFor(now))
		}
	}
	return s
}

// Status describes the pool for people.
func (p *Pool[T]) Status() Status {
	p.mu.Lock()
	st := Status{
		Name: p.name, Worker: p.worker.String(), Config: p.cfg, Closed: p.closed,
		Degraded: p.health.failures > 0, Failures: p.health.failures, LastError: p.health.lastErr,
		Stats: p.statsLocked(clock.Now()),
	}
	if st.Degraded {
		st.RetryAt = p.health.refusal.RetryAt()
	}
	st.CheckedOut = p.lent
	taken := p.lent + min(p.making, p.queue.len)
	p.mu.Unlock()
	st.Available = max(0, st.Config.Size-taken)
	st.Overflow = max(0, taken-st.Config.Size)
	st.State = stateOf(st.Available, st.Overflow, st.Config.MaxOverflow)
	st.Wait = telemetry.Summarize(p.waitTimes())
	hold := p.hold.Snapshot()
	st.Stats.HoldTime, st.Hold = hold.Total(), telemetry.Summarize(hold)
	st.Create = telemetry.Summarize(p.create.Snapshot())
	return st
}

// stateOf is Poolboy's rule.
func stateOf(available, overflow, maxOverflow int) string {
	switch {
	case overflow == 0 && available > 0:
		return "ready"
	case overflow >= maxOverflow:
		return "full"
	default:
		return "overflow"
	}
}
