package breaker

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// gate is how an era treats a call that arrives.
type gate uint8

const (
	gateFree      gate = iota // lets it through, without a look at the clock
	gateRamp                  // lets a rising share through, until the ramp's end
	gateOpen                  // refuses, until the cooldown's end
	gateHalfOpen              // lets it through if a probe's place is free
	gateForceOpen             // refuses, until the override's end
	gateForceFree             // lets it through uncounted, until the override's end
	gateOff                   // lets it through uncounted
)

// era is one immutable stretch of a breaker's life: everything that a call needs
// to know, behind one atomic pointer. A permit holds the era that admitted it.
// What does change inside an era (window, probe places) hangs off it by pointer.
type era struct {
	breaker  *Breaker
	gate     gate
	fast     bool // a call is let through without the clock
	simple   bool // and its success, unless it ends a run, changes only counts that need no lock
	member   bool // of a group: a success counts in two places
	shadow   bool // refusals are counted and reported, and admitted
	m        machine
	rules    *rules
	window   window
	override override
	// refusal is what gateOpen, gateRamp and gateForceOpen answer with.
	refusal *fault.Error
	// busy is what gateHalfOpen answers with.
	busy *busy
	// injected says which share of calls to refuse for a test; nil means none.
	injected *injection
	// draws numbers the calls of a ramp.
	draws *atomic.Uint64

	opened  []fault.Fact // why the breaker left the closed state last, nil if it never did
	outage  *Outage      // nil while the machine is closed; replaced, never changed
	began   clock.Instant
	since   time.Time // of the state, for people
	retryAt time.Time // of an open state; zero where it is not known
	spent   [stateLabels]time.Duration
}

// busy tells, without a lock, that no probe's place is free before an instant.
type busy struct {
	until   atomic.Int64 // clock.Min while a place is free
	refusal atomic.Pointer[fault.Error]
}

// suspended reports whether the machine stands still: calls are not counted.
func (e *era) suspended() bool { return e.gate >= gateForceOpen }

// needsStart reports whether a call's duration matters to a rule.
func (e *era) needsStart() bool { return e.rules.SlowRatio > 0 }

// verdict decides about a call at now without taking anything: nil lets it
// through, else it is refused. late reports that the era has ended, or that a
// probe's place must be taken: the call must then ask under the lock.
func (e *era) verdict(now clock.Instant) (refusal *fault.Error, late bool) {
	if e.injected != nil && e.gate != gateOff && e.injected.draw() {
		return e.injected.refusal, false
	}
	if e.gate == gateRamp && now < e.m.until {
		return e.rampRefusal(now), false
	}
	return e.certain(now)
}

// certain is the part of the verdict that leaves nothing to the draws of a ramp
// or of injected faults.
func (e *era) certain(now clock.Instant) (refusal *fault.Error, late bool) {
	switch e.gate {
	case gateFree, gateOff:
		return nil, false
	case gateRamp:
		return nil, now >= e.m.until
	case gateOpen:
		if now >= e.m.until {
			return nil, true
		}
		return e.refusal, false
	case gateHalfOpen:
		if now < clock.Instant(e.busy.until.Load()) {
			return e.busy.refusal.Load(), false
		}
		return nil, true
	default:
		return e.forced(now)
	}
}

func (e *era) forced(now clock.Instant) (refusal *fault.Error, late bool) {
	if now >= e.override.until {
		return nil, true
	}
	return e.refusal, false // nil for gateForceFree
}

// rampStart is the share of calls that a ramp begins with.
const rampStart = 0.1

func (e *era) rampShare(now clock.Instant) float64 {
	passed := float64(now.Sub(e.m.since)) / float64(e.m.until.Sub(e.m.since))
	return min(max(rampStart+(1-rampStart)*passed, rampStart), 1)
}

func (e *era) rampRefusal(now clock.Instant) *fault.Error {
	if weyl(e.draws) < e.rampShare(now) {
		return nil
	}
	return e.refusal
}

// weyl returns the next term of the sequence n·φ mod 1. It spreads more evenly
// than random numbers do (a share of a tenth is one call in ten, never eight in a
// row), and it is the same in every run.
func weyl(n *atomic.Uint64) float64 {
	_, fraction := math.Modf(float64(n.Add(1)%(1<<32)) * (math.Phi - 1))
	return fraction
}

// view is the state that a call at now would meet.
func (e *era) view(now clock.Instant) State {
	switch {
	case e.gate == gateOff:
		return StateClosed
	case e.override.active(now):
		return e.override.kind.state()
	default:
		return e.m.view(now)
	}
}
