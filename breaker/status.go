package breaker

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
)

// Status is a breaker at one moment, for people and for the admin interface.
type Status struct {
	Name   string
	Member string // the key's text, in a group
	// State is the one that the next call would meet.
	State State
	// Since is when the state began.
	Since time.Time
	// RetryAt is when an open breaker lets the next call through; the zero time
	// where nobody knows.
	RetryAt time.Time
	Mode    mode.Mode
	// Ramping tells that a closed breaker lets only a share of calls through.
	Ramping bool
	// Counted holds what the window contains against the thresholds of the rules
	// in use. It is empty unless closed: an open breaker counts nothing.
	Counted []fault.Fact
	// OpenedBy is why the breaker left the closed state last; nil if it never did. A probe
	// that fails does not change it.
	OpenedBy []fault.Fact
	// Outage is how the breaker's trouble began and how its probes went; nil while it is
	// closed, and while only an override keeps it open.
	Outage *Outage
	// ProbesInFlight and ProbeSuccesses are of the present half-open state; a probe
	// whose lease has ended is not in flight any more.
	ProbesInFlight int
	ProbeSuccesses int
	// Override is what an operator has decided, nil if nothing.
	Override *OverrideStatus
	// Injected is the share of calls that fault injection refuses.
	Injected float64
	// LastErrors are the kinds of failures counted, the latest first.
	LastErrors []ErrorClass
	// Generation rises with every change of state.
	Generation uint64
	// Revision is that of the configuration, 1 at first.
	Revision uint64
	Config   Config
	Totals   Counts
}

// OverrideStatus is an override in force.
type OverrideStatus struct {
	State  State // open or closed, as forced
	Actor  string
	Reason string
	Since  time.Time
	Until  time.Time // zero: until released
}

// Status returns a consistent picture. It changes nothing; it holds the lock that
// failures take, for well under a microsecond per thousand failures counted.
func (b *Breaker) Status() Status {
	now := clock.Now()
	b.mu.Lock()
	e := b.era.Load()
	t := e.window.totalsLocked(e.rules, now)
	last, probes := b.classes.list(), b.leases.live(now)
	b.mu.Unlock()
	s := e.status(now, t)
	s.ProbesInFlight = probes
	s.Name, s.Member, s.LastErrors, s.Totals = b.name, b.member, last, b.counts()
	return s
}

func (e *era) status(now clock.Instant, t totals) Status {
	s := Status{
		State: e.view(now), Since: e.since, RetryAt: e.retryAt, Mode: e.rules.Mode,
		OpenedBy: e.opened, Outage: e.shownOutage(), Generation: e.m.generation, Revision: e.rules.revision, Config: e.rules.Config,
	}
	s.Override = e.overrideStatus(now)
	if e.injected != nil {
		s.Injected = e.injected.share
	}
	if s.State == StateClosed && e.m.state == StateClosed {
		s.Counted = e.rules.facts(t)
		s.Ramping = e.gate == gateRamp && now < e.m.until
	}
	if e.m.state == StateHalfOpen {
		s.ProbeSuccesses = e.m.successes
	}
	e.settleTimes(&s, now)
	return s
}

// shownOutage is a copy, which a caller may change.
func (e *era) shownOutage() *Outage {
	if e.outage == nil || e.gate == gateOff {
		return nil
	}
	o := *e.outage
	return &o
}

// settleTimes shows ends that nobody has noticed yet as if they had been: that of
// an override, and that of a cooldown.
func (e *era) settleTimes(s *Status, now clock.Instant) {
	if e.gate == gateOff {
		s.RetryAt = time.Time{}
		return
	}
	began := e.m.since
	if e.override.kind != overrideNone && s.Override == nil {
		began = e.override.until
		s.Since, s.RetryAt = began.Time(), e.m.until.Time()
	}
	if s.Override == nil && e.m.view(now) != e.m.state {
		if over := max(e.m.until, began).Time(); over.After(s.Since) { // not if it ended while the breaker was off
			s.Since = over
		}
	}
	if s.State != StateOpen {
		s.RetryAt = time.Time{}
	}
}

func (e *era) overrideStatus(now clock.Instant) *OverrideStatus {
	o := &e.override
	if !o.active(now) {
		return nil
	}
	s := &OverrideStatus{State: o.kind.state(), Actor: o.Actor, Reason: o.Reason, Since: e.since}
	s.Until = o.retryAt()
	return s
}
