package guard

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// Token is a call that was admitted by [Guard.Enter] and has not ended. It is a
// value; copies stand for the same call, which ends once, whoever ends it. It
// must be closed on every way out:
//
//	tok, err := g.Enter(ctx, call)
//	if err != nil {
//		return err
//	}
//	defer tok.Close()
//	err = use(tok.Context())
//	tok.Done(err)
//
// Close without Done is a failure, so a panic needs nothing special. Do not defer
// Done: its argument would be evaluated at once, when there is no error yet.
//
// A token is a lease: one that is open for longer than [Config.Lease] is taken
// back, counted as a failure, and what its holder does with it later has no
// effect. The zero Token has ended.
type Token struct {
	place   *place
	serial  uint64
	ctx     context.Context //nolint:containedctx // a token is the call, and hands its context to the caller
	timeout time.Duration
	watched bool // by shadow mode, see Answered
}

// Enter admits a call that does not fit in a function; prefer [Guard.Do] where it
// does. It refuses as Do does, and the token is then the zero Token. It allocates
// nothing but the deadline of a time limit, once as many calls were open before.
func (g *Guard) Enter(ctx context.Context, call Call) (Token, error) {
	p := g.tokens.get()
	p.ctx, p.call = ctx, call
	v := &p.visit
	v.begin(g, false)
	admitted := false
	defer func() {
		if !admitted {
			defer p.recycle()
			v.finish(ctx, &p.call)
		}
	}()
	if err := v.admit(ctx, &p.call); err != nil {
		return Token{}, err
	}
	if p.shard.due(v.start) {
		g.tokens.expire(g, v.start) // may end this goroutine by a handler's doing
	}
	p.limited = v.limit(ctx, &p.call)
	t := Token{place: p, serial: p.serial(), ctx: p.limited, timeout: v.allowance(ctx, &p.call), watched: v.watched(&p.call)}
	admitted = true
	p.open(v.leaseEnd(call.Lease))
	return t, nil
}

// allowance is what [Token.Timeout] returns.
func (v *visit) allowance(ctx context.Context, call *Call) time.Duration {
	c := &v.rev.config
	if !call.Untimed || c.Mode != Enforce || c.Timeout == 0 {
		return 0
	}
	if v.callersFirst(ctx) {
		return 0
	}
	return c.Timeout
}

// watched says whether shadow mode wants to know when an untimed call was answered.
func (v *visit) watched(call *Call) bool {
	return call.Untimed && v.rev.config.Mode == Shadow && v.rev.config.Timeout > 0
}

func (v *visit) leaseEnd(lease time.Duration) clock.Instant {
	switch {
	case lease < 0:
		return clock.Max
	case lease == 0:
		lease = v.rev.config.Lease
	}
	return v.began.Add(lease)
}

// Context returns the context for the call, with the guard's deadline. It is done
// when the token ends, if the guard has a time limit.
func (t Token) Context() context.Context {
	if t.ctx == nil {
		return context.Background()
	}
	return t.ctx
}

// Timeout returns the time limit that a call with [Call.Untimed] has to keep by
// itself; 0 if there is none, because the guard has none or does not enforce, or
// the caller's deadline is earlier.
func (t Token) Timeout() time.Duration { return t.timeout }

// Answered tells that what the time limit bounds is over, for a call with
// [Call.Untimed] whose outcome is not known yet: the header is here, and what
// follows may take as long as it takes. Who keeps the limit by [Token.Timeout]
// knows that himself; shadow mode, which imposes none, learns it only so, and
// would else take a long answer for a late one. Only the first call counts, and
// only in shadow mode does it do anything.
func (t Token) Answered() {
	p := t.place
	if !t.watched || !p.look(t.serial) {
		return
	}
	if v := &p.visit; v.answered == 0 {
		v.answered = max(1, clock.Now().Sub(v.began)) // 0 means that it was not told
	}
	p.open(clock.Instant(p.expires.Load()))
}

// Quota returns what the rate limit left to the caller when it admitted the call.
// It reports false without a rate limit, where that or the guard does not enforce,
// and once the outcome is known.
func (t Token) Quota() (q fault.Quota, ok bool) {
	p := t.place
	if p == nil || !p.look(t.serial) {
		return fault.Quota{}, false
	}
	if v := &p.visit; v.has(tokensTaken) && v.rev.config.Mode == Enforce {
		q, ok = v.decision.Quota()
	}
	p.open(clock.Instant(p.expires.Load()))
	return q, ok
}

// Done ends the call, which returned err, and judges it as [Guard.Do] would.
func (t Token) Done(err error) { t.settle(told{err: err}, true) }

// DoneOutcome ends the call with an outcome of the caller's judgement. err, which
// may be nil, is what the breaker's list of last errors shows.
func (t Token) DoneOutcome(o Outcome, err error) {
	t.settle(told{err: err, outcome: o, judged: true}, true)
}

// Decide settles the outcome and keeps the place among the calls in flight, until
// Close: the answer was good, and is still being read. It ends the lease: whoever
// decides has shown that the token is not lost.
func (t Token) Decide(o Outcome, err error) {
	t.settle(told{err: err, outcome: o, judged: true}, false)
}

// BreakOff ends a call that [Token.Decide] settled as a success, and whose answer
// broke off with err while it was read: one failure more for the breaker. A call
// that was not decided ends by it as a failure; one that has ended is left alone.
func (t Token) BreakOff(err error) {
	p := t.place
	if p == nil || !p.claim(t.serial, settled) {
		t.DoneOutcome(Failure, err)
		return
	}
	defer p.recycle()
	defer p.endTrail() // also if a handler of the breaker's events ends this goroutine
	if p.visit.result == Succeeded {
		p.visit.permit.SettleAt(clock.Now(), breaker.Failure, err)
	}
}

// Close ends the call; as a failure, if its outcome was not told. Closing a token
// that has ended does nothing.
func (t Token) Close() {
	p := t.place
	switch {
	case p == nil:
	case p.claim(t.serial, opened):
		defer p.recycle()
		p.visit.finish(p.ctx, &p.call)
	case p.bequeath(t.serial): // Decide has it at this moment, or it ends anyway
	case p.claim(t.serial, settled):
		p.close()
	}
}

// told is what a token's holder says of the call's end.
type told struct {
	err     error
	outcome Outcome
	judged  bool // outcome is set
}

// settle settles the outcome, unless that was done; last also ends the call.
func (t Token) settle(end told, last bool) {
	p := t.place
	if p == nil || !p.claim(t.serial, opened) {
		if last {
			t.Close()
		}
		return
	}
	kept := false
	defer func() {
		if !kept { // or the classifier panicked
			defer p.recycle()
			p.visit.finish(p.ctx, &p.call)
		}
	}()
	p.decide(end)
	if last {
		p.visit.leave(p.ctx, &p.call, pool.Reuse)
		return
	}
	kept = true
	p.visit.guard.stats.trailing.Add(1)
	p.keep()
}

func (p *place) decide(end told) {
	v, now := &p.visit, clock.Now()
	var w verdict
	switch {
	case !end.judged:
		w = v.judge(p.ctx, p.limited, now, end.err, nil)
	case v.pastShadow(p.ctx, now):
		w = verdict{Failure, TimedOut, false}
	default:
		w = verdictOf(end.outcome, end.err)
	}
	v.decide(now, w.outcome, w.result, end.err)
}

// endTrail ends a call whose outcome was settled before.
func (p *place) endTrail() {
	p.visit.guard.stats.trailing.Add(-1)
	p.visit.finish(p.ctx, &p.call)
}
