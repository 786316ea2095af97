package guard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// DoDetached is [Do] for a function that may ignore its context: it answers when
// the time is up or the caller gives up, whether fn has returned or not. fn runs
// in a goroutine of its own, and what it returns too late is dropped. Prefer a
// function that obeys its context: a late one cannot be stopped, only left alone.
//
// A call that was left alone keeps its place of the concurrency bound until it
// ends, and their number is bounded by [Config.MaxDetached]. A panic is raised in
// the caller, and so is the end of a goroutine, if the caller still waits; later
// it is recovered, counted, logged, and reported as [DetachedPanicked].
//
// The call is made once, whatever [Config.Retry] says. The guard needs a time limit, or the caller a deadline, for all this to matter. A
// guard with a pool refuses DoDetached: a worker that a late function may still use
// cannot be lent again.
func DoDetached[T any](ctx context.Context, g *Guard, call Call, fn func(context.Context) (T, error)) (T, error) {
	if fn == nil {
		var zero T
		return zero, g.invalid("the function is nil")
	}
	return detach(ctx, g, call, fn)
}

// detached is a call in a goroutine of its own. The caller has the visit; the
// goroutine has the result, until its done is closed.
type detached[T any] struct {
	visit visit
	call  Call
	fn    func(context.Context) (T, error)

	left   atomic.Bool // whoever sets it first (caller: leaves; goroutine: ends) decides
	done   chan struct{}
	result T
	err    error
	end    ending
	cause  any // of a panic
}

// ending is how the function of a detached call ended.
type ending uint8

const (
	exited ending = iota // by runtime.Goexit
	panicked
	returned
)

func detach[T any](ctx context.Context, g *Guard, call Call, fn func(context.Context) (T, error)) (T, error) {
	d := &detached[T]{call: call, fn: fn, done: make(chan struct{})}
	v := &d.visit
	v.begin(g, false)
	v.detached = true
	defer v.finish(ctx, &d.call)
	var zero T
	if err := v.admit(ctx, &d.call); err != nil {
		return zero, err
	}
	limited := v.limit(ctx, &d.call)
	up := limited.Done() // a context of the user's: asked before there is a goroutine
	go d.work(limited, g, v.has(slot))
	select {
	case <-d.done:
	case <-up:
		if err, left := d.leave(ctx, limited); left {
			return zero, err
		}
		<-d.done
	}
	return d.conclude(ctx, limited)
}

// work runs the function and hands its end to the caller. If the caller has left,
// it gives back what stayed taken for as long as the function ran.
func (d *detached[T]) work(ctx context.Context, g *Guard, hasSlot bool) {
	op := d.call.Op
	defer func() {
		if d.end == exited {
			if d.cause = recover(); d.cause != nil {
				d.end = panicked
			}
		}
		if d.left.CompareAndSwap(false, true) {
			close(d.done)
			return
		}
		if hasSlot {
			g.slots.giveBack()
		}
		g.detached.Add(-1)
		if d.end == panicked {
			g.tellPanic(ctx, "a detached call panicked after its caller had gone", op, d.cause)
		}
	}()
	d.result, d.err = d.fn(ctx)
	d.end = returned
}

// conclude ends a call whose function ended while the caller was there.
func (d *detached[T]) conclude(ctx, limited context.Context) (T, error) {
	switch d.end {
	case panicked:
		panic(d.cause)
	case exited:
		runtime.Goexit()
	case returned:
	}
	_, err := d.visit.conclude(ctx, limited, &d.call, d.err, nil)
	return d.result, err
}

// leave settles everything but the slot and goes, unless the function has ended
// in this moment.
func (d *detached[T]) leave(ctx, limited context.Context) (error, bool) { //nolint:revive // the error is the result here, not a failure of leave
	v := &d.visit
	g := v.guard
	g.detached.Add(1)
	if !d.left.CompareAndSwap(false, true) {
		g.detached.Add(-1)
		return nil, false
	}
	v.holds &^= slot // from here on it is the goroutine's to give back
	g.stats.detached.Add(1)
	now, cause := clock.Now(), limited.Err()
	w := v.judge(ctx, limited, now, cause, nil)
	v.decide(now, w, cause)
	v.leave(ctx, &d.call, pool.Destroy)
	if errors.Is(cause, context.DeadlineExceeded) {
		return g.timedOut(cause, now.Sub(v.began), v.given(limited, w.late())), true
	}
	return fault.New(fault.Spec{
		Code: fault.Canceled, Component: component, Name: g.name, Cause: cause, Message: "the caller gave up while the call ran",
	}), true
}

// given is how long the call was given: by the guard, or by its caller's deadline.
func (v *visit) given(limited context.Context, byGuard bool) time.Duration {
	if d, ok := limited.Deadline(); ok && !byGuard {
		return clock.Of(d).Sub(v.began)
	}
	return v.rev.config.Timeout
}

func (g *Guard) tellPanic(ctx context.Context, message, op string, cause any) {
	g.stats.panics.Add(1)
	reason := fmt.Sprintf("%.200v", cause)
	g.log.LogAttrs(ctx, slog.LevelError, message, //nolint:sloglint // one of two constants
		slog.String("guard", g.name), slog.String("op", op), slog.String("panic", reason), slog.String("stack", string(debug.Stack())))
	if g.panicked.Active() {
		g.panicked.Emit(ctx, DetachedPanicked{Guard: g.name, Op: op, Reason: reason})
	}
}
