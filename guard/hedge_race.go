package guard

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
)

// errLost is the cause of contexts of attempts that lost.
var errLost = fmt.Errorf("guard: another attempt of the call was faster: %w", context.Canceled)

// raced is the call whose attempts race. Its methods are called by the goroutine of the
// caller.
type raced interface {
	// hedge admits another attempt, and returns the context for it.
	hedge(ctx context.Context, delay time.Duration) (*visit, HedgeRefusal)
	// exchange gives h the accounts of the attempt that the call's visit stands for, and that
	// visit those of h. It reports false, and does nothing, if the call has ended.
	exchange(h *visit) bool
}

// race is an attempt at a call, and its hedges. The goroutine of the caller has it; that of
// an attempt has its side until it has ended.
type race[T any] struct {
	guard *Guard
	rev   *revision
	call  Call
	raced raced
	fn    func(context.Context, *side[T]) (T, error)
	// judge says what the end of an attempt means, and whether the race is over with it: it
	// is, unless another attempt might do better.
	judge func(*side[T]) (w verdict, decisive bool)
	drop  func(T) // what an attempt returned that is not the call's result; nil: nothing to do
	// base is what the contexts of the hedges of a token come from, and release ends it.
	base    context.Context //nolint:containedctx // as that of Token
	release context.CancelCauseFunc

	ended   chan *side[T] // has room for all of them
	sides   []*side[T]    // in the order of their beginning
	running int
	holder  *side[T] // whose accounts the visit of the call has
	kept    *side[T] // with whose end the call goes on; nil before
}

// side is one of the attempts that race.
type side[T any] struct {
	own     *visit // its accounts, nil while the visit of the call has them
	attempt Attempt
	number  int // in the race, from 0
	began   clock.Instant
	item    *pool.Item      // its worker, nil without a pool
	limited context.Context //nolint:containedctx // it is the attempt: with its time limit
	ctx     context.Context //nolint:containedctx // which also ends when it loses
	cancel  context.CancelCauseFunc
	verdict verdict

	left   atomic.Bool // whoever sets it first (caller: leaves it; goroutine: has ended) decides
	seen   bool        // the caller knows that it has ended
	result T
	err    error
	reason error // what the breaker is told of it, if it is judged
	end    ending
	cause  any // of a panic

	forgotten bool // it is settled, and what it returned dropped
}

// run makes an attempt, and others beside it once it has taken the delay. It returns the
// one that the call goes on with: the first good one, else the last one that ended. All
// others are left to themselves, canceled.
func (r *race[T]) run(ctx context.Context, first *side[T], delay time.Duration) *side[T] {
	most := r.rev.hedge.Max
	r.ended = make(chan *side[T], 1+most)
	defer r.leave()
	r.holder = first
	r.start(first)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for {
		select {
		case s := <-r.ended:
			if r.over(s) {
				return s
			}
		case <-timer.C:
			if r.hedge(ctx, delay) && len(r.sides) <= most {
				timer.Reset(delay)
			}
		}
	}
}

// start begins an attempt in a goroutine of its own.
func (r *race[T]) start(s *side[T]) {
	s.ctx, s.cancel = context.WithCancelCause(s.limited)
	r.sides = append(r.sides, s)
	r.running++
	go r.work(s)
}

// sideOf is the attempt that v stands for.
func sideOf[T any](ctx, limited context.Context, v *visit, c *Call) *side[T] {
	return &side[T]{
		began: v.began, item: v.loan.Item, limited: limited,
		attempt: Attempt{Number: v.attempted(), Target: v.member, Timeout: v.attemptAllowance(ctx, c)},
	}
}

// hedge starts another attempt, if there may be one.
func (r *race[T]) hedge(ctx context.Context, delay time.Duration) bool {
	g := r.guard
	h, why := r.raced.hedge(ctx, delay)
	if h == nil {
		g.stats.unhedged[why].Add(1)
		return false
	}
	begun := false
	defer func() {
		if !begun { // a context of the caller's panicked
			h.settleHedge(clock.Now(), lost, errLost, pool.Reuse)
		}
	}()
	s := sideOf[T](ctx, h.limit(ctx, &r.call), h, &r.call)
	s.own, s.number = h, len(r.sides)
	begun = true
	r.start(s)
	g.stats.hedges.Add(1)
	if g.hedged.Active() {
		g.hedged.Emit(ctx, Hedged{Guard: g.name, Op: r.call.Op, Target: cmp.Or(s.attempt.Target, r.call.Target), Attempt: s.attempt.Number, After: delay})
	}
	return true
}

// work makes an attempt and hands its end to the caller, unless that has left it.
func (r *race[T]) work(s *side[T]) {
	defer func() {
		if s.end == exited {
			if s.cause = recover(); s.cause != nil {
				s.end = panicked
			}
		}
		if s.left.CompareAndSwap(false, true) {
			r.ended <- s
			return
		}
		defer r.guard.losers.Add(-1)
		defer func() { r.tellHandlersPanic(s, recover()) }()
		r.lose(s)
	}()
	s.result, s.err = r.fn(s.ctx, s)
	s.end = returned
}

// over takes note of the end of an attempt, and reports whether the call goes on with it.
// One that failed while others run is settled.
func (r *race[T]) over(s *side[T]) bool {
	s.seen = true
	r.running--
	decisive := true
	if s.end == returned {
		s.reason = s.err
		s.verdict, decisive = r.judge(s)
	} else {
		s.verdict = abandoned
	}
	r.sample(s, decisive)
	if !decisive && r.running > 0 {
		r.settle(s)
		return false
	}
	r.hold(s)
	r.kept = s
	if s.number > 0 {
		r.guard.stats.hedgeEnded(s.verdict, decisive && s.end == returned)
	}
	return true
}

// sample tells how long the first attempt took, or would have taken at least.
func (r *race[T]) sample(s *side[T], decisive bool) {
	first := r.sides[0]
	late := s == first && s.verdict.result == TimedOut
	won := decisive && s.verdict.outcome == outcome.Success && (s == first || !first.seen)
	if l := r.rev.hedge.latency; l != nil && (late || won) {
		now := clock.Now()
		l.record(now, now.Sub(first.began))
	}
}

// hold makes the accounts of s those of the call's visit.
func (r *race[T]) hold(s *side[T]) {
	if r.holder != s && r.raced.exchange(s.own) {
		r.holder.own, s.own, r.holder = s.own, nil, s
	}
}

// settle settles an attempt that failed, while another one goes on with the call.
func (r *race[T]) settle(s *side[T]) {
	if r.holder == s {
		for _, other := range r.sides {
			if !other.seen {
				r.hold(other)
				break
			}
		}
	}
	if s.number > 0 {
		r.guard.stats.hedgeEnded(s.verdict, false)
	}
	r.forget(s, s.verdict)
}

// forget settles the accounts of an attempt that is not the call's, and drops what it
// returned.
func (r *race[T]) forget(s *side[T], w verdict) {
	defer s.cancel(nil)
	s.forgotten = true
	if s.end == returned && r.drop != nil {
		defer r.drop(s.result)
	}
	own := s.own
	if s.own = nil; own == nil {
		return
	}
	fate, err := pool.Destroy, s.reason
	if s.end == returned {
		fate = fateAfter(s.ctx, s.err)
	}
	now := clock.Now()
	if w.late() {
		err = own.timedOut(now, w, err)
	}
	own.settleHedge(now, w, err, fate)
}

// lose ends an attempt that was left.
func (r *race[T]) lose(s *side[T]) {
	if s.end == panicked {
		defer r.guard.tellPanic(context.WithoutCancel(s.ctx), "an attempt panicked after another one of its call had won", r.call.Op, s.cause)
	}
	r.forget(s, lost)
}

// leave ends the race: every attempt but the one that the call goes on with is canceled. One
// that has not ended is settled by its goroutine when it does, and counted until then. It
// goes on if what it calls panics or ends the goroutine.
func (r *race[T]) leave() {
	for _, s := range r.sides {
		if s != r.kept {
			s.cancel(errLost)
		}
	}
	defer func() {
		if len(r.sides) > 0 {
			r.leave()
		}
	}()
	for len(r.sides) > 0 {
		s := r.sides[0]
		r.sides = r.sides[1:]
		r.part(s)
	}
}

// part lets go of one attempt.
func (r *race[T]) part(s *side[T]) {
	switch {
	case s == r.kept:
		if own := s.own; own != nil { // the call has ended, and did not take them
			s.own = nil
			own.settleHedge(clock.Now(), lost, s.err, pool.Reuse)
		}
		return
	case s.forgotten:
		return
	case s.seen: // what judges it has panicked
		r.forget(s, lost)
		return
	}
	if s.number > 0 {
		r.guard.stats.hedgesLost.Add(1)
	}
	r.guard.losers.Add(1)
	if !s.left.CompareAndSwap(false, true) { // it has just ended
		r.guard.losers.Add(-1)
		r.lose(s)
	}
}

// tellHandlersPanic keeps what panics while a lost attempt is settled, a handler of events
// or a method of a worker, from ending the process: nobody is there for it to go on to.
func (r *race[T]) tellHandlersPanic(s *side[T], cause any) {
	if cause != nil {
		r.guard.log.LogAttrs(context.WithoutCancel(s.ctx), slog.LevelError, "a handler panicked when an attempt was settled that had lost",
			slog.String("guard", r.guard.name), slog.String("panic", fmt.Sprintf("%.200v", cause)), slog.String("stack", string(debug.Stack())))
	}
}
