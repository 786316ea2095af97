package breaker

import (
	"context"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Allow asks whether a call may run. It never blocks. If the permit is OK the
// caller must make the call and settle the permit with its outcome; else it must
// not make the call and gets the reason from [Permit.Err]. Prefer [Breaker.Do]
// where the call fits in a function: it also settles when the call panics.
//
// In a closed breaker without ratio rules this is one atomic load.
func (b *Breaker) Allow() Permit {
	e := b.era.Load()
	if e.fast && !b.executed.Active() {
		return Permit{era: e, flags: permitOK}
	}
	return b.AllowAt(clock.Now())
}

// AllowAt is [Breaker.Allow] for a caller that has read the clock.
func (b *Breaker) AllowAt(now clock.Instant) Permit {
	if e := b.era.Load(); e.fast {
		return Permit{era: e, start: now, flags: permitOK | permitTimed}
	}
	return b.allow(context.Background(), now)
}

func (b *Breaker) allow(ctx context.Context, now clock.Instant) Permit {
	p := b.decide(now)
	if p.refusal != nil {
		b.countRefusal(ctx, &p, now)
	}
	return p
}

func (b *Breaker) decide(now clock.Instant) Permit {
	e := b.era.Load()
	refusal, late := e.verdict(now)
	if late {
		return b.enter(now)
	}
	if refusal != nil {
		return b.refused(e, refusal, now)
	}
	return Permit{era: e, start: now, flags: permitOK | permitTimed}
}

func (b *Breaker) refused(e *era, refusal *fault.Error, now clock.Instant) Permit {
	p := Permit{era: e, refusal: refusal, start: now, flags: permitTimed | permitUncounted}
	if e.shadow {
		p.flags |= permitOK
	}
	return p
}

// enter decides about a call that found its era over, or wants to be a probe.
func (b *Breaker) enter(now clock.Instant) Permit {
	b.mu.Lock()
	p := b.enterLocked(now)
	b.mu.Unlock()
	delivered := false
	defer func() {
		// A handler ended this goroutine: the call will never run.
		if !delivered && p.lease() != 0 {
			p.Ignore()
		}
	}()
	b.deliver()
	delivered = true
	return p
}

// enterLocked REQUIRES: b.mu.
func (b *Breaker) enterLocked(now clock.Instant) Permit {
	e := b.catchUpLocked(now)
	if e.gate != gateOpen && e.gate != gateHalfOpen {
		return b.passLocked(e, now)
	}
	before := e.m
	e = b.stepLocked(event{kind: onCall}, totals{}, causeCooldownOver, "", now)
	if e.m == before {
		return b.passLocked(e, now)
	}
	p := Permit{era: e, start: now, flags: permitOK | permitTimed}
	p.flags |= permitFlags(b.leases.grant(now, e.rules.ProbeLease)) << leaseBit
	b.markBusyLocked(e, now)
	return p
}

// passLocked decides about a call that is no probe. REQUIRES: b.mu, and an era
// that is in force at now.
func (b *Breaker) passLocked(e *era, now clock.Instant) Permit {
	switch e.gate {
	case gateOpen, gateForceOpen:
		return b.refused(e, e.refusal, now)
	case gateHalfOpen:
		return b.refused(e, e.busy.refusal.Load(), now)
	case gateRamp:
		if refusal := e.rampRefusal(now); refusal != nil {
			return b.refused(e, refusal, now)
		}
	case gateFree, gateForceFree, gateOff:
	}
	return Permit{era: e, start: now, flags: permitOK | permitTimed}
}

// catchUpLocked makes the transitions that time alone has caused: overrides, the
// ramp and leases that have ended. The end of a cooldown is left to a call that
// may become the first probe. REQUIRES: b.mu.
func (b *Breaker) catchUpLocked(now clock.Instant) *era {
	e := b.era.Load()
	if e.override.kind != overrideNone && now >= e.override.until {
		e = b.releaseLocked(causeOverrideEnded, e.override.Actor, now)
	}
	if e.gate == gateRamp && now >= e.m.until {
		e = b.stepLocked(event{kind: onCall}, totals{}, "", "", now)
	}
	if e.gate != gateHalfOpen {
		return e
	}
	for b.leases.expire(now) {
		e = b.stepLocked(event{kind: onLost}, totals{}, "", "", now)
	}
	b.markBusyLocked(e, now)
	return e
}

// LookAt tells whether a call at now would be refused, and counts it as refused if so.
// It takes no probe's place and makes no transition: a caller that finds the look OK
// prepares its call and asks [Breaker.AllowAt] then, which may still refuse. In shadow
// mode the refusal is counted there, not here.
//
// The permit that it returns holds nothing and need not be settled. Only a failure
// counts: of a call that failed before it could ask for its permit, as one whose
// connection cannot be made. It counts if the look was OK and its state is still in
// force; after a cooldown it is a failed probe. It makes the transitions that time has
// caused, or a dependency without connections, whose calls never come to a permit,
// would hide behind an override that has ended.
func (b *Breaker) LookAt(now clock.Instant) Permit {
	e := b.era.Load()
	if e.fast {
		return Permit{era: e, start: now, flags: permitOK | permitLook}
	}
	// Draws belong to the permit: drawing here too would square the share.
	refusal, late := e.certain(now)
	if refusal != nil {
		return b.lookRefused(e, refusal, now)
	}
	p := Permit{era: e, start: now, flags: permitOK | permitLook}
	if late {
		p.flags |= permitLate
	}
	return p
}

// Admits reports whether a call at now may be admitted. It takes no lock and, other than
// [Breaker.LookAt], counts nothing: it is for the choice between several dependencies, of
// which one is then called. In shadow mode every call may be.
func (b *Breaker) Admits(now clock.Instant) bool {
	e := b.era.Load()
	if e.fast || e.shadow {
		return true
	}
	refusal, _ := e.certain(now)
	return refusal == nil
}

func (b *Breaker) lookRefused(e *era, refusal *fault.Error, now clock.Instant) Permit {
	p := b.refused(e, refusal, now)
	if !e.shadow {
		b.countRefusal(context.Background(), &p, now)
	}
	p.flags |= permitLook
	return p
}

// failLocked counts a failure that no permit stands for. REQUIRES: b.mu.
func (b *Breaker) failLocked(of class, now clock.Instant) {
	e := b.catchUpLocked(now)
	if e.suspended() {
		return
	}
	if e.m.view(now) != e.m.state {
		e = b.stepLocked(event{kind: onCall}, totals{}, causeCooldownOver, "", now)
	}
	b.classes.add(of, e.rules.Window, now)
	b.applyLocked(e, onFailure, false, now)
}
