package guard

import (
	"context"
	"errors"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/retry"
)

// attempt is what belongs to one attempt of a token's call.
type attempt struct {
	limited context.Context //nolint:containedctx // as that of Token
	timeout time.Duration
}

// Retry tells how an attempt of the call has ended, and asks for another one. It blocks
// for the wait between the two, unless ctx ends. If it reports true, make the next attempt
// within what Context and AttemptTimeout return from then on. If not, end the call with the
// outcome of the last attempt, and with the error that Retry returns: that is err, marked
// as [retry.Final] if it must not be retried further out.
//
//	for {
//		err = send(tok.Context())
//		if err == nil {
//			break
//		}
//		var again bool
//		if again, err = tok.Retry(ctx, outcome.Failure, err); !again {
//			break
//		}
//	}
//	tok.Done(err)
//
// There is no further attempt of a call that is not idempotent, under a guard without
// [Config.Retry], or once the token's outcome is known or its lease has expired. One
// goroutine at a time makes the attempts: another that calls Retry meanwhile is told false.
func (t *Token) Retry(ctx context.Context, o outcome.Outcome, err error) (again bool, last error) {
	return t.retry(ctx, o, err, false)
}

// RetrySafe is [Token.Retry] for an attempt that the dependency has certainly not executed,
// as where no connection could be made: also a call that is not idempotent has another one
// then.
func (t *Token) RetrySafe(ctx context.Context, o outcome.Outcome, err error) (again bool, last error) {
	return t.retry(ctx, o, err, true)
}

func (t *Token) retry(ctx context.Context, o outcome.Outcome, err error, safe bool) (again bool, last error) {
	if t == nil {
		return false, err
	}
	w := verdictOf(o, err)
	if w.result == Failed && errors.Is(context.Cause(t.Context()), fault.CallTimeout) {
		w.result = TimedOut
	}
	a := t.beginRetry()
	if a == nil {
		return false, err
	}
	defer t.endRetry()
	g, call := a.visit.guard, a.call
	call.Idempotent = call.Idempotent || safe
	r, asked := t.endAttempt(a, &call, w, err)
	if !asked {
		return false, err
	}
	if r.granted() && !clock.Sleep(ctx, r.wait) {
		r.reason = retry.Gone(ctx)
	}
	number := 0
	if r.granted() {
		number = t.nextAttempt(&r)
	}
	g.tellRetrial(ctx, &call, &r, number)
	return r.granted(), retry.Ended(err, r.reason)
}

// beginRetry returns the accounts, if there may be another attempt, and keeps others from
// asking for one and from settling the call, until [Token.vacate].
func (t *Token) beginRetry() *accounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.progress != open || t.retrying || t.busy || t.judges > 0 || t.accounts.visit.rev.retry == nil {
		return nil
	}
	t.retrying, t.busy = true, true
	return t.accounts
}

func (t *Token) endRetry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retrying = false
}

// vacate lets others settle the call again, and does so itself if its end was told
// meanwhile.
func (t *Token) vacate() {
	t.mu.Lock()
	idle := t.progress == open
	if idle {
		t.busy = false
	}
	t.mu.Unlock()
	if !idle {
		t.work()
	}
}

// endAttempt decides whether there is another attempt, and settles the one that has ended
// if so.
func (t *Token) endAttempt(a *accounts, call *Call, w verdict, err error) (r retrial, asked bool) {
	defer t.vacate() // also if a method of err panics, or a handler of the breaker's events ends the goroutine
	v, now := &a.visit, clock.Now()
	r, asked = v.further(a.ctx, call, now, w, err)
	if asked && r.granted() {
		v.endAttempt(now, w, err, pool.Reuse)
		r.reason = v.look(call, now)
	}
	return r, asked
}

// nextAttempt admits the next attempt, unless the token was closed or taken back during
// the wait, and returns its number.
func (t *Token) nextAttempt(r *retrial) int {
	t.mu.Lock()
	var a *accounts
	if t.progress == open && !t.busy && t.judges == 0 {
		t.busy, a = true, t.accounts
	}
	t.mu.Unlock()
	if a == nil {
		r.reason = retry.Canceled
		return 0
	}
	defer t.vacate()
	v := &a.visit
	if r.reason = v.admitAgain(a.ctx, &a.call); r.granted() {
		t.again.Store(&attempt{v.limit(a.ctx, &a.call), v.attemptAllowance(a.ctx, &a.call)})
	}
	return v.attempted()
}
