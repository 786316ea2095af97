package breaker

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
)

// stepLocked applies e to the machine and publishes what becomes of it. It
// returns the era in force afterwards. REQUIRES: b.mu.
func (b *Breaker) stepLocked(e event, t totals, why string, by string, now clock.Instant) *era {
	old := b.era.Load()
	m := old.rules.step(old.m, e, t, now)
	if m == old.m {
		return old
	}
	next := *old
	next.m = m
	if m.generation != old.m.generation {
		next.window = window{} // only a closed breaker counts
	}
	if m.generation != old.m.generation && m.state == StateClosed {
		next.window = newWindow(old.rules, b.single)
	}
	switch {
	case m.state == StateOpen && old.m.state != StateOpen:
		b.openLocked(&next, e.kind, t, now)
		why = m.why.String()
	case m.state == StateClosed:
		next.outage = nil
	}
	return b.publishLocked(&next, why, by, now)
}

// publishLocked makes next, a changed copy of the present era, the era in force
// and queues the event of the edge, if it is one. REQUIRES: b.mu.
func (b *Breaker) publishLocked(next *era, why string, by string, now clock.Instant) *era {
	old := b.era.Load()
	next.began, next.spent = max(now, old.began), old.spentAt(now)
	next.settleGate()
	if old.m.generation != next.m.generation || old.override != next.override {
		b.beginLocked(old, next)
	}
	b.era.Store(next)
	b.reportLocked(old, next, why, by, now)
	return next
}

// settleGate derives what calls look at first from the rest of the era.
func (e *era) settleGate() {
	e.gate = e.gateOf()
	e.shadow = e.rules.Mode == mode.Shadow
	e.fast = e.gate == gateFree && e.injected == nil && !e.needsStart()
	e.simple = e.fast && !e.member
}

func (e *era) gateOf() gate {
	switch {
	case e.rules.Mode == mode.Off:
		return gateOff
	case e.override.kind == overrideOpen:
		return gateForceOpen
	case e.override.kind == overrideClosed:
		return gateForceFree
	case e.m.state == StateOpen:
		return gateOpen
	case e.m.state == StateHalfOpen:
		return gateHalfOpen
	case e.m.ramping:
		return gateRamp
	default:
		return gateFree
	}
}

// beginLocked gives a new generation or override the answer that it refuses
// with. REQUIRES: b.mu.
func (b *Breaker) beginLocked(old, next *era) {
	b.leases.clear()
	next.since, next.retryAt = next.sinceAfter(old), time.Time{}
	switch next.gate {
	case gateOpen:
		next.retryAt = next.m.until.Time()
		next.refusal = b.refusal("", next.refusalFacts(), next.retryAt)
	case gateRamp:
		next.draws = new(atomic.Uint64)
		next.refusal = b.rampRefusal(next)
	case gateHalfOpen:
		next.busy = new(busy)
		next.busy.until.Store(int64(clock.Min))
	case gateForceOpen:
		next.retryAt = next.override.retryAt()
		next.refusal = b.forcedRefusal(next)
	case gateForceFree:
		next.refusal = nil
	case gateFree, gateOff:
	}
}

// sinceAfter is when the state began that people see, converted to wall time only
// once for each state, so that two reads of a status agree to the nanosecond.
func (e *era) sinceAfter(old *era) time.Time {
	switch {
	case e.override.kind != overrideNone:
		return e.override.since.Time()
	case (e.gate == gateOff) != (old.gate == gateOff):
		return e.began.Time()
	case e.gate == gateOff:
		return old.since
	case old.override.kind != overrideNone:
		return min(e.began, old.override.until).Time()
	case old.m.since == e.m.since:
		return old.since
	default:
		return e.m.since.Time()
	}
}

// refusal returns the answer to refused calls; an empty message says that the
// breaker is open.
func (b *Breaker) refusal(message string, facts []fault.Fact, retryAt time.Time) *fault.Error {
	if message == "" && b.member != "" {
		message = "circuit breaker of " + b.member + " is open"
	}
	return fault.New(fault.Spec{
		Code: fault.CircuitOpen, Component: component, Name: b.name,
		Message: message, Evidence: facts, RetryAt: retryAt,
	})
}

func (b *Breaker) rampRefusal(e *era) *fault.Error {
	facts := []fault.Fact{fault.Measure("ramp", e.rules.Ramp.Seconds(), "seconds"), e.rules.revisionFact()}
	return b.refusal("circuit breaker has closed and admits a rising share of calls", facts, e.m.until.Time())
}

func (b *Breaker) forcedRefusal(e *era) *fault.Error {
	return b.refusal("circuit breaker is forced open by an operator", []fault.Fact{e.rules.revisionFact()}, e.retryAt)
}

// markBusyLocked publishes whether a probe's place is free, and the answer for
// calls that find none. It tells them to come back after a cooldown: should the
// probe fail, the breaker is open for at least that long. REQUIRES: b.mu.
func (b *Breaker) markBusyLocked(e *era, now clock.Instant) {
	if e.gate != gateHalfOpen {
		return
	}
	if e.m.probes < e.rules.Probes {
		e.busy.until.Store(int64(clock.Min))
		return
	}
	facts := []fault.Fact{fault.Against("probes_in_flight", float64(e.m.probes), float64(e.rules.Probes), ""), e.rules.revisionFact()}
	retry := now.Add(min(e.rules.Cooldown, e.rules.ProbeLease))
	e.busy.refusal.Store(b.refusal("circuit breaker is half-open and its probes are in flight", facts, retry.Time()))
	e.busy.until.Store(int64(b.leases.earliest()))
}

// opening is an event with a fresh draw: only events that may open need one.
func opening(kind eventKind) event {
	return event{kind: kind, draw: rand.Float64()}
}
