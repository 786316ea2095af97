package breaker

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
)

// Permit is the answer to [Breaker.Allow], and the place that a call holds in
// the breaker's accounts. It is a value for one call; do not copy it after use,
// nor use it from two goroutines at once. The zero Permit is not OK.
//
// The first of Success, Failure, Ignore and SettleAt settles it, and the others do
// nothing, so "defer p.Failure(nil)" is a net for panics and early returns; but a
// failure by SettleAt after a success revokes the success. A permit that is never
// settled costs nothing, or a probe's place until its lease ends. A result is dropped
// if the breaker's state has changed since.
type Permit struct {
	era     *era
	refusal *fault.Error // also in shadow mode
	start   clock.Instant
	flags   permitFlags
}

// permitFlags is one word, so that a Permit fits in four registers: from leaseBit
// on it holds the serial of a probe's lease, else zero.
type permitFlags uint64

const (
	permitOK        permitFlags = 1 << iota // the call may run
	permitTimed                             // start is set
	permitUncounted                         // refused, or would be: the machine does not learn the result
	permitLook                              // of LookAt: it holds nothing, and only a failure counts
	permitLate                              // of LookAt: it found its era over, which only a permit can end
	permitSpent                             // settled
	permitSucceeded                         // by a success, which a failure may still revoke
	permitLearned                           // and the machine counted that success

	leaseBit = 8
)

// lease is the serial of a probe's lease, 0 for other calls.
func (p *Permit) lease() uint64 { return uint64(p.flags >> leaseBit) }

// OK reports whether the call may run.
func (p *Permit) OK() bool { return p.flags&permitOK != 0 }

// WouldRefuse reports whether the breaker, were it not in shadow mode, would
// have refused the call.
func (p *Permit) WouldRefuse() bool { return p.OK() && p.refusal != nil }

// Err is the *[fault.Error] to return when the permit is not OK, else nil. All calls
// that one open episode refuses get the same error.
func (p *Permit) Err() error {
	if p.OK() || p.refusal == nil {
		return nil
	}
	return p.refusal
}

// Success settles the permit: the dependency answered as it should. In a closed
// breaker without ratio rules it is one striped add.
func (p *Permit) Success() { p.succeed(permitOK, unread) }

// Failure settles the permit: the dependency is to blame. Of err, which may be
// nil, only the type is kept.
func (p *Permit) Failure(err error) { p.settle(context.Background(), unread, outcome.Failure, err) }

// Ignore settles the permit: the call says nothing about the dependency.
func (p *Permit) Ignore() { p.settle(context.Background(), unread, outcome.Ignored, nil) }

// SettleAt settles the permit at now with any outcome; an unknown one counts as
// a failure. The call took the time since the permit was given, which decides
// whether it was slow.
//
// A failure after a success revokes the success: the answer broke off while it was
// read. The call then counts once, as a failure at now, unless the breaker's state has
// changed since; a run of failures that the success ended does not come back. Nothing
// revokes a failure or an ignored call. A revocation has no [CallExecuted] of its own.
func (p *Permit) SettleAt(now clock.Instant, o outcome.Outcome, err error) {
	if o == outcome.Success && p.flags == permitOK|permitTimed && !p.era.breaker.executed.Active() {
		p.succeed(permitOK|permitTimed, now)
		return
	}
	if p.spend() || p.flags&permitSucceeded != 0 && kindOf(o, false) == onFailure {
		p.settleAt(context.Background(), now, o, err)
	}
}

// unread is an instant that stands for the present: the clock is read if it matters.
const unread = clock.Min

func read(now clock.Instant) clock.Instant {
	if now == unread {
		return clock.Now()
	}
	return now
}

// succeed settles a permit as a success. One that has just the given flags and a simple
// era, as nearly every permit, ticks a counter or two, which is decided before the
// steps that the others need.
func (p *Permit) succeed(flags permitFlags, now clock.Instant) {
	if e := p.era; p.flags == flags && e.simple {
		if e.window.buckets != nil {
			now = read(now) // which takes a while: the era may end meanwhile
		}
		if !e.window.running() && p.current() {
			p.flags |= permitSpent | permitSucceeded | permitLearned
			e.breaker.ledger.success.Add(1)
			if e.window.buckets != nil {
				p.start = now // from now on it tells when the success was counted
				e.window.buckets.add(now, false, false)
			}
			return
		}
	}
	p.settle(context.Background(), now, outcome.Success, nil)
}

// settle reads the clock only if the outcome's time matters to anybody.
func (p *Permit) settle(ctx context.Context, now clock.Instant, o outcome.Outcome, err error) {
	if !p.spend() {
		return
	}
	if p.era.breaker.executed.Active() || p.flags&permitLook != 0 || !p.inert() && !p.free(o) {
		p.settleAt(ctx, read(now), o, err)
		return
	}
	p.era.breaker.count(o)
	if o == outcome.Success {
		p.flags |= permitSucceeded | p.learned()
	}
}

// inert reports whether the machine does not learn how the call ends.
func (p *Permit) inert() bool { return p.flags&permitUncounted != 0 || p.era.suspended() }

// learned is permitLearned if the machine learns how the call ends.
func (p *Permit) learned() permitFlags {
	if p.inert() {
		return 0
	}
	return permitLearned
}

// spend reports whether this is the settlement that counts.
func (p *Permit) spend() bool {
	if p.flags&(permitOK|permitSpent) != permitOK {
		return false
	}
	p.flags |= permitSpent
	return true
}

// free reports whether the machine cannot move on o, so that neither its lock
// nor the clock is needed: a success under rules that count failures only.
func (p *Permit) free(o outcome.Outcome) bool {
	return o == outcome.Success && p.era.window.buckets == nil && p.routine() && p.current()
}

// current reports whether the era that admitted the call is still in force. If
// not, its generation may be, with other rules, which a success may matter to.
func (p *Permit) current() bool { return p.era.breaker.era.Load() == p.era }

// routine reports whether a success would only be a tick in the window: the call is
// no probe, and no run of failures waits for it to end. A run is ended under the
// lock, where it is certain that it belongs to the call's own generation.
func (p *Permit) routine() bool {
	e := p.era
	return p.lease() == 0 && (e.gate == gateFree || e.gate == gateRamp) && !e.window.running()
}

// settleAt settles a permit that is spent.
func (p *Permit) settleAt(ctx context.Context, now clock.Instant, o outcome.Outcome, err error) {
	if kindOf(o, false) == onFailure {
		p.failAt(ctx, now, o, err)
		return
	}
	p.account(ctx, now, o, &class{})
}

// failAt settles a failure, also if the error's own methods, which its class is asked
// of, panic or end the goroutine: nobody could settle it a second time, and a probe
// would keep its place.
func (p *Permit) failAt(ctx context.Context, now clock.Instant, o outcome.Outcome, err error) {
	of := typeOf(err)
	defer p.account(ctx, now, o, &of) // with the class that is found until then
	of = classOf(err)
}

// account counts an outcome and tells who listens. It calls no code of the user but
// handlers of events.
func (p *Permit) account(ctx context.Context, now clock.Instant, o outcome.Outcome, of *class) {
	if p.flags&(permitLook|permitSucceeded) != 0 {
		p.blame(now, o, of)
		return
	}
	b, slow, start := p.era.breaker, p.slow(now), p.start
	b.count(o)
	if o == outcome.Success {
		p.flags |= permitSucceeded
	}
	switch {
	case p.inert():
	case p.free(o) || p.bucketed(now, o, slow):
		p.flags |= permitLearned
		p.start = now // from now on it tells when the success was counted
	default:
		b.settle(p, now, o, slow, of)
	}
	if b.executed.Active() {
		b.emitExecuted(ctx, p, o, p.elapsed(start, now), slow, of)
	}
}

// blame counts a failure that does not end a call of this permit: that of a look, or
// one that revokes the success which ended it.
func (p *Permit) blame(now clock.Instant, o outcome.Outcome, of *class) {
	if kindOf(o, false) != onFailure || p.flags&(permitLook|permitUncounted) == permitLook|permitUncounted {
		return
	}
	b, revokes := p.era.breaker, p.flags&permitSucceeded != 0
	b.count(outcome.Failure)
	if revokes {
		b.countRevoked()
		p.flags &^= permitSucceeded
		if p.flags&permitLearned == 0 {
			return
		}
	}
	b.mu.Lock()
	if e := b.era.Load(); e.m.generation == p.era.m.generation && (p.flags&permitLate != 0 || !p.era.suspended()) {
		if revokes {
			e.window.revokeLocked(p.era.window.buckets, p.start)
		}
		b.failLocked(*of, now)
	}
	b.mu.Unlock()
	b.deliver()
}

// bucketed counts a success that was not slow without the lock, if the window it
// belongs to is still the present one. There may be no buckets: free and this look
// at the run of failures one after the other, and another success may have ended
// it in between.
func (p *Permit) bucketed(now clock.Instant, o outcome.Outcome, slow bool) bool {
	e := p.era
	if o != outcome.Success || e.window.buckets == nil || !p.routine() || !p.current() || slow {
		return false
	}
	e.window.buckets.add(now, false, false)
	return true
}

// slow reports whether the call, ending at now, took slow_after or longer.
func (p *Permit) slow(now clock.Instant) bool {
	r := p.era.rules
	return p.flags&permitTimed != 0 && r.SlowRatio > 0 && now.Sub(p.start) >= r.SlowAfter
}

// elapsed is the time from start, when the permit was given, until now.
func (p *Permit) elapsed(start, now clock.Instant) time.Duration {
	if p.flags&permitTimed == 0 {
		return 0
	}
	return max(0, now.Sub(start))
}

// settle counts an outcome under the lock.
func (b *Breaker) settle(p *Permit, now clock.Instant, o outcome.Outcome, slow bool, of *class) {
	b.mu.Lock()
	if b.acceptsLocked(p, now) {
		e, kind := b.era.Load(), kindOf(o, slow)
		if kind == onFailure {
			b.classes.add(*of, e.rules.Window, now)
		}
		b.applyLocked(e, kind, slow, now)
		p.flags |= permitLearned
		p.era, p.start = e, now // where and when it was counted, for what may revoke it
	}
	b.mu.Unlock()
	b.deliver()
}

// acceptsLocked reports whether the result of p still counts: its generation is
// the present one and, for a probe, its lease has not ended. REQUIRES: b.mu.
func (b *Breaker) acceptsLocked(p *Permit, now clock.Instant) bool {
	e := b.era.Load()
	if p.era.m.generation != e.m.generation || e.suspended() {
		return false
	}
	return p.lease() == 0 || b.leases.settle(p.lease(), now)
}

func kindOf(o outcome.Outcome, slow bool) eventKind {
	switch {
	case o == outcome.Ignored:
		return onIgnored
	case o != outcome.Success:
		return onFailure
	case slow:
		return onSlow
	default:
		return onSuccess
	}
}

// applyLocked counts a result of the present generation and makes the transition
// that follows from it. REQUIRES: b.mu.
func (b *Breaker) applyLocked(e *era, kind eventKind, slow bool, now clock.Instant) {
	var t totals
	if e.m.state == StateClosed && kind != onIgnored {
		e.window.recordLocked(kind, slow, now)
		if kind != onSuccess {
			t = e.window.totalsLocked(e.rules, now)
		}
	}
	ev := event{kind: kind}
	if kind == onFailure || kind == onSlow {
		ev = opening(kind)
	}
	e = b.stepLocked(ev, t, causeProbesSucceeded, "", now)
	b.markBusyLocked(e, now)
}
