package guard

import (
	"cmp"
	"context"
	"runtime"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
)

// Attempt describes an attempt that [Attempts] makes.
type Attempt struct {
	Number int // among those of the call, from 1
	// Target is the member of the call's target that [Call.Targets] has chosen for it, "" without.
	Target string
	// Timeout is the time limit that a call with [Call.Untimed] has to keep by itself for this
	// attempt; 0 if there is none.
	Timeout time.Duration
}

// Attempts says how the attempts of a [Token]'s call are made, so that they can be hedged.
// All fields are required.
type Attempts[T any] struct {
	// Make makes one attempt, within ctx. It runs in a goroutine of its own while the call can
	// be hedged, at the same time as its hedges.
	Make func(ctx context.Context, a Attempt) (T, error)
	// Judge says what the end of an attempt means, whether the call goes on with it although
	// others may still run, and what the breaker is to list if it failed. It is asked while
	// others run; what becomes of the call is told to the token afterwards, as always.
	Judge func(T, error) (o outcome.Outcome, done bool, err error)
	// Drop is told what attempts returned that are not the call's result, each once. What it
	// does must be safe for any goroutine.
	Drop func(T)
}

// Run makes the attempt of t that is due, the first or one that [Token.Retry] has granted,
// and under [Config.Hedge] others beside it, see [DoHedged]. It returns what the attempt
// returned that the call goes on with: its permit is then the token's, as are its context and
// time limit. Those that lost are canceled and count as ignored. ctx is the context of the
// attempts, [Token.Context] or one that is derived from it; a hedge that goes on after the
// first attempt has failed ends with the context that the call came with. That of an attempt
// that Run returns ends with the token, or with the next attempt. A panic of an attempt is raised
// here.
//
// If the call is not hedged, Run calls Make and no more. Calls with [Call.Idempotent] under
// [Config.Hedge] are.
func (a Attempts[T]) Run(ctx context.Context, t *Token) (T, error) {
	r, first, delay := beginHedged(ctx, a, t)
	if delay == 0 {
		attempt := Attempt{Number: 1, Timeout: cmp.Or(t.AttemptTimeout(), t.Timeout())}
		if first != nil {
			attempt = first.attempt
		}
		result, err := a.Make(ctx, attempt)
		if r != nil && r.rev.hedge.latency != nil {
			if o, _, _ := a.Judge(result, err); o == outcome.Success {
				now := clock.Now()
				r.rev.hedge.latency.record(now, now.Sub(first.began))
			}
		}
		return result, err
	}
	won := false
	defer func() {
		if !won {
			r.release(nil)
		}
	}()
	s := r.run(r.base, first, delay)
	won = s != first
	t.adopt(s.ctx, func(cause error) {
		s.cancel(cause)
		r.release(cause)
	}, s.attempt.Timeout)
	switch s.end {
	case panicked:
		panic(s.cause)
	case exited:
		runtime.Goexit()
	case returned:
	}
	return s.result, s.err
}

// Hedges reports whether [Attempts] may make more than one attempt of the call at a time, or
// counts why they do not: the guard has hedges, and the call has not ended.
func (t *Token) Hedges() bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.progress == open && t.accounts.visit.rev.hedge != nil
}

// beginHedged looks at the call of t before an attempt. The race is nil if the call cannot
// be hedged, the first attempt too if t has ended, and the delay is 0 while it is not known.
func beginHedged[T any](ctx context.Context, a Attempts[T], t *Token) (r *race[T], first *side[T], delay time.Duration) {
	acc := t.seize()
	if acc == nil {
		return nil, nil, 0
	}
	defer t.vacate()
	v := &acc.visit
	first = sideOf[T](acc.ctx, ctx, v, &acc.call)
	if delay = v.hedgeDelay(&acc.call); v.rev.hedge == nil || !acc.call.Idempotent {
		return nil, first, 0
	}
	r = &race[T]{
		guard: v.guard, rev: v.rev, call: acc.call, raced: (*racedToken)(t), drop: a.Drop,
		fn: func(ctx context.Context, s *side[T]) (T, error) { return a.Make(ctx, s.attempt) },
		judge: func(s *side[T]) (w verdict, done bool) {
			var o outcome.Outcome
			o, done, s.reason = a.Judge(s.result, s.err)
			return verdictOf(o, s.reason), done
		},
	}
	r.base, r.release = ctx, func(error) {}
	if v.cancel != nil {
		r.base, r.release = v.unlimited(ctx, t.Context(), acc.ctx)
	}
	return r, first, delay
}

// unlimited is ctx without the limit of the first attempt, whose context limited ctx comes
// from: that ends with the first attempt, and hedges go on. It ends with the context that
// the call came with, and with ctx if that ends earlier than limited.
func (v *visit) unlimited(ctx, limited, parent context.Context) (context.Context, context.CancelCauseFunc) {
	base, cancel := context.WithCancelCause(&valuesOf{parent, ctx})
	follow := func() {
		if limited.Err() == nil && ctx.Err() != nil {
			cancel(context.Cause(ctx))
		}
	}
	stop := context.AfterFunc(ctx, follow)
	end := v.cancel
	v.cancel = func() {
		follow() // what AfterFunc has begun may come too late to tell the two apart
		end()
	}
	return base, func(cause error) {
		stop()
		cancel(cause)
	}
}

// valuesOf is a context with the values of another one.
type valuesOf struct {
	context.Context //nolint:containedctx // it is a context

	values context.Context //nolint:containedctx // that of the values
}

// Value implements [context.Context].
func (v *valuesOf) Value(key any) any { return v.values.Value(key) }

// seize returns the accounts and keeps others from settling them, until [Token.vacate]; nil
// if the call has ended, or somebody else has them.
func (t *Token) seize() *accounts {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress != open || t.busy || t.retrying || t.judges > 0 {
		return nil
	}
	t.busy = true
	return t.accounts
}

// adopt makes the context of an attempt that of the call, which ends it. If the call has
// ended meanwhile, as one whose lease expired, it ends with its parent: somebody may still
// read what the attempt returned.
func (t *Token) adopt(ctx context.Context, cancel context.CancelCauseFunc, timeout time.Duration) {
	acc := t.seize()
	if acc == nil {
		return
	}
	defer t.vacate()
	inner := acc.visit.cancel
	acc.visit.cancel = func() {
		cancel(nil)
		if inner != nil {
			inner()
		}
	}
	t.again.Store(&attempt{ctx, timeout})
}

// racedToken is the call of a token whose attempts race.
type racedToken Token

func (t *racedToken) hedge(_ context.Context, delay time.Duration) (*visit, HedgeRefusal) {
	acc := (*Token)(t).seize()
	if acc == nil {
		return nil, HedgeNoTime
	}
	defer (*Token)(t).vacate()
	return acc.visit.beside(acc.ctx, &acc.call, delay)
}

func (t *racedToken) exchange(h *visit) bool {
	acc := (*Token)(t).seize()
	if acc == nil {
		return false
	}
	defer (*Token)(t).vacate()
	acc.visit.exchange(h)
	return true
}
