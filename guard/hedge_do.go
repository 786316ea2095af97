package guard

import (
	"context"
	"runtime"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/pool"
)

// DoHedged is [Do] for a call that should not wait for a slow attempt: under [Config.Hedge],
// a call with [Call.Idempotent] that has not ended after the delay gets another attempt
// beside the first. The first that ends well, or in a way that says nothing about the
// dependency, gives the result; the others are canceled. An attempt that fails waits for
// those that run; if all fail, the error is that of the last one, and [Config.Retry] decides
// as usual whether there are more.
//
// A hedge has a permit of the breaker and a worker of its own and shares everything else
// with the call: its place in the bound of concurrency, its tokens, its time limit. It waits for
// nothing, and comes out of the same budget as retries. The call is counted and recorded
// once.
//
// fn runs in a goroutine of its own while the call can be hedged, at the same time as its
// hedges: what it uses must be safe for that. DoHedged returns with the first good attempt
// and leaves those that lost to themselves: they are canceled and count as ignored when
// they return, whatever they return, and while [Config.MaxDetached] of them have not, nothing
// is hedged. What they return is dropped: fn must not return what has to be closed. Without
// a good attempt DoHedged waits, as Do does, for all of them to return.
//
// A panic of an attempt is raised in the caller, and so is the end of its goroutine; if
// another attempt has won by then it is recovered, counted, logged, and reported as
// [DetachedPanicked].
//
// Without [Config.Hedge], under a mode other than enforce, or if the call is not
// idempotent, DoHedged is Do.
func DoHedged[T any](ctx context.Context, g *Guard, call Call, fn func(context.Context) (T, error)) (T, error) {
	if fn == nil {
		var zero T
		return zero, g.invalid("the function is nil")
	}
	if g.revision.Load().hedge == nil {
		return Do(ctx, g, call, fn)
	}
	return hedge(ctx, g, call, false, func(ctx context.Context, _ *pool.Item) (T, error) { return fn(ctx) })
}

// DoHedgedWith is [DoHedged] for a guard with a pool: each attempt has a worker, see
// [DoWith]. A hedge takes one that is idle; if there is none, there is no hedge. The worker
// of an attempt that lost is closed and replaced, unless the attempt returned nil.
func DoHedgedWith[W, R any](ctx context.Context, b Bound[W], call Call, fn func(context.Context, W) (R, error)) (R, error) {
	if fn == nil {
		var zero R
		return zero, b.guard.invalid("the function is nil")
	}
	if b.guard.revision.Load().hedge == nil {
		return DoWith(ctx, b, call, fn)
	}
	return hedge(ctx, b.guard, call, true, func(ctx context.Context, item *pool.Item) (result R, err error) {
		w, err := workerOf[W](b.guard, item.Worker)
		if err == nil {
			result, err = fn(ctx, w)
		}
		return result, err
	})
}

// hedged is a call of DoHedged. The goroutine of the caller has it.
type hedged[T any] struct {
	visit visit
	call  Call
	fn    func(context.Context, *pool.Item) (T, error)
}

func hedge[T any](ctx context.Context, g *Guard, call Call, bound bool, fn func(context.Context, *pool.Item) (T, error)) (T, error) {
	d := &hedged[T]{call: call, fn: fn}
	v := &d.visit
	v.begin(g, bound)
	defer v.finish(ctx, &d.call)
	if err := v.admit(ctx, &d.call); err != nil {
		var zero T
		return zero, err
	}
	for {
		result, again, err := d.attempt(ctx)
		if !again {
			return result, err
		}
	}
}

// attempt makes an attempt, with hedges beside it if there may be any, and ends it. It
// reports whether there is another one.
func (d *hedged[T]) attempt(ctx context.Context) (result T, again bool, err error) {
	v := &d.visit
	limited := v.limit(ctx, &d.call)
	delay := v.hedgeDelay(&d.call)
	if delay == 0 {
		result, err = d.fn(limited, v.loan.Item)
		v.sampleAlone(&d.call, err == nil)
		again, err = v.conclude(ctx, limited, &d.call, err, nil)
		return result, again, err
	}
	r := &race[T]{
		guard: v.guard, rev: v.rev, call: d.call, raced: d,
		fn:    func(ctx context.Context, s *side[T]) (T, error) { return d.fn(ctx, s.item) },
		judge: func(s *side[T]) (verdict, bool) { return d.judge(ctx, s) },
	}
	s := r.run(ctx, sideOf[T](ctx, limited, v, &d.call), delay)
	defer s.cancel(nil)
	switch s.end {
	case panicked:
		panic(s.cause)
	case exited:
		runtime.Goexit()
	case returned:
	}
	again, err = v.concludeAs(ctx, s.limited, &d.call, clock.Now(), s.verdict, s.err)
	return s.result, again, err
}

// judge says what the end of an attempt means, by the accounts that it has.
func (d *hedged[T]) judge(ctx context.Context, s *side[T]) (verdict, bool) {
	if s.err == nil {
		return good, true
	}
	v := s.own
	if v == nil {
		v = &d.visit
	}
	w := v.judge(ctx, s.limited, clock.Now(), s.err, nil)
	_, retried := causeOf(w, s.err)
	return w, !retried
}

// hedge implements raced.
func (d *hedged[T]) hedge(ctx context.Context, delay time.Duration) (*visit, HedgeRefusal) {
	return d.visit.beside(ctx, &d.call, delay)
}

// exchange implements raced.
func (d *hedged[T]) exchange(h *visit) bool {
	d.visit.exchange(h)
	return true
}
