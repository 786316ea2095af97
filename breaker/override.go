package breaker

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Override is an operator's decision that lies over the automaton.
type Override struct {
	// Actor is a person, a tool or an address, for events and the status; required,
	// at most 256 bytes.
	Actor  string
	Reason string // why, for those who find it later; at most 1024 bytes
	// For is how long the override holds; 0 means until it is released.
	For time.Duration
}

const (
	maxActor  = 256
	maxReason = 1024
)

type overrideKind uint8

const (
	overrideNone overrideKind = iota
	overrideOpen
	overrideClosed
)

func (k overrideKind) state() State {
	if k == overrideOpen {
		return StateOpen
	}
	return StateClosed
}

func (k overrideKind) label() int {
	if k == overrideOpen {
		return labelForcedOpen
	}
	return labelForcedClosed
}

// override is an Override in force. It is comparable; the zero value is none.
type override struct {
	Override
	kind  overrideKind
	since clock.Instant
	until clock.Instant // clock.Max without an end
}

func (o *override) active(now clock.Instant) bool {
	return o.kind != overrideNone && now < o.until
}

func (o *override) retryAt() time.Time {
	if o.For == 0 {
		return time.Time{}
	}
	return o.until.Time()
}

// Force lays an override over the breaker that holds until it is released or expires,
// whatever happens meanwhile: cooldowns, successes and Reset do not end it. With
// [StateOpen] every call is refused, with [StateClosed] every call runs, uncounted; no
// other state can be forced. Calls in flight are no longer counted. A later override
// replaces it. Another state, or an override without an actor or out of bounds, is
// refused with [fault.InvalidArgument].
func (b *Breaker) Force(s State, o Override) error {
	kind, err := o.check(b.name, s)
	if err != nil {
		return err
	}
	now := clock.Now()
	in := override{Override: o, kind: kind, since: now, until: clock.Max}
	if o.For > 0 {
		in.until = now.Add(o.For)
	}
	b.mu.Lock()
	b.catchUpLocked(now)
	b.overrideLocked(in, causeOverride, o.Actor, now)
	b.mu.Unlock()
	b.deliver()
	return nil
}

// Automatic releases an override. The automaton goes on where it stood, with the
// time that has passed: what was open still is if its cooldown is not over. It
// does nothing if there is no override.
func (b *Breaker) Automatic(by string) {
	now := clock.Now()
	b.mu.Lock()
	if b.catchUpLocked(now).override.kind != overrideNone {
		b.releaseLocked(causeOverrideReleased, by, now)
	}
	b.mu.Unlock()
	b.deliver()
}

// Reset closes the breaker and empties its counts and its memory of earlier
// openings. An override stays in force above it.
func (b *Breaker) Reset(by string) {
	now := clock.Now()
	b.mu.Lock()
	b.catchUpLocked(now)
	b.classes.clear()
	b.stepLocked(event{kind: onReset}, totals{}, causeReset, by, now)
	b.mu.Unlock()
	b.deliver()
}

func (o Override) check(name string, s State) (overrideKind, error) {
	kind := map[State]overrideKind{StateOpen: overrideOpen, StateClosed: overrideClosed}[s]
	var ps fault.Problems
	ps.Require(kind != overrideNone, "state", s, "must be open or closed")
	ps.Require(o.Actor != "" && len(o.Actor) <= maxActor, "actor", o.Actor, "must have 1 to %d bytes", maxActor)
	ps.Require(len(o.Reason) <= maxReason, "reason", o.Reason, "must have at most %d bytes", maxReason)
	ps.Require(o.For >= 0, "for", o.For, "must not be negative; 0 means until released")
	if len(ps) == 0 {
		return kind, nil
	}
	return kind, fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: name, Problems: ps})
}

// releaseLocked REQUIRES: b.mu.
func (b *Breaker) releaseLocked(why string, by string, now clock.Instant) *era {
	return b.overrideLocked(override{}, why, by, now)
}

// overrideLocked lays o over the machine, or takes away what lies there. The
// machine stands still below: its results in flight no longer count, and its
// probes give back their places. REQUIRES: b.mu.
func (b *Breaker) overrideLocked(o override, why string, by string, now clock.Instant) *era {
	old := b.era.Load()
	next := *old
	next.override = o
	next.m = old.rules.step(old.m, event{kind: onSuspend}, totals{}, now)
	return b.publishLocked(&next, why, by, now)
}
