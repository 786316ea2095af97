package guard_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
)

// The bug: a bulkhead of one stayed full for ever after a panic inside it.
func TestPeer02_APanicGivesThePlaceBack(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1})
	drive(func() { _ = g.Do(context.Background(), panics) })
	drive(func() { _ = g.Do(context.Background(), exits) })
	if err := g.Do(t.Context(), succeed); err != nil {
		t.Errorf("full for ever: %v", err)
	}
}

// The bug: callers who gave up three times opened the breaker.
func TestPeer06_CancellationsDoNotOpenTheBreaker(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 1})
	g := newGuard(t, guard.Config{Breaker: b})
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_ = g.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
	}
	if b.State() != breaker.StateClosed {
		t.Errorf("the breaker is %v", b.State())
	}
}

// The bug: a probe that its caller canceled closed the breaker.
func TestPeer07_ACanceledProbeChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Second})
		g := newGuard(t, guard.Config{Breaker: b})
		_ = g.Do(t.Context(), fail)
		time.Sleep(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		_ = g.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
		if b.State() != breaker.StateHalfOpen || b.Status().ProbesInFlight != 0 {
			t.Errorf("the breaker is %v with %d probes", b.State(), b.Status().ProbesInFlight)
		}
		if err := g.Do(t.Context(), succeed); err != nil || b.State() != breaker.StateClosed {
			t.Errorf("%v, the breaker is %v", err, b.State())
		}
	})
}

// The bug: composing on a shared executor changed everybody else's. A part may
// stand in several guards; what one of them is told stays its own.
func TestPeer08_GuardsThatShareAPartDoNotShareSettings(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 2})
	first := newGuard(t, guard.Config{Breaker: b, Classify: func(error) outcome.Outcome { return outcome.Success }})
	second := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	for range 2 {
		_ = first.Do(t.Context(), fail)
	}
	if b.State() != breaker.StateClosed {
		t.Fatal("one guard's classifier is not its own")
	}
	for range 2 {
		_ = second.Do(t.Context(), fail)
	}
	wantCode(t, first.Do(t.Context(), succeed), fault.CircuitOpen) // the dependency is down for both
	if first.Config().Concurrency != 0 {
		t.Error("one guard's bound became the other's")
	}
}

// The bug: a time limit of 20 ms was kept after 300 ms, because the function
// ignored its context.
func TestPeer09_ATimeLimitIsKeptForADeafFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: 20 * time.Millisecond})
		began := time.Now()
		_, err := guard.DoDetached(t.Context(), g, guard.Call{}, deaf(300*time.Millisecond))
		wantCode(t, err, fault.CallTimeout)
		if took := time.Since(began); took != 20*time.Millisecond {
			t.Errorf("answered after %v", took)
		}
		time.Sleep(300 * time.Millisecond)
	})
}

// The bug, in its part that is the guard's: answers of status 500 never opened
// the breaker, because the error beside them was nil; and a call still waited
// for its worker long after its client had left.
func TestPeer10_ABadAnswerWithoutAnErrorCounts(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 10})
	op := guard.Op[int]{Guard: newGuard(t, guard.Config{Breaker: b}), Classify: func(status int, _ error) outcome.Outcome {
		if status >= http.StatusInternalServerError {
			return outcome.Failure
		}
		return outcome.Success
	}}
	for range 10 {
		_, _ = op.Do(t.Context(), guard.Call{}, func(context.Context) (int, error) { return http.StatusInternalServerError, nil })
	}
	if b.State() != breaker.StateOpen {
		t.Errorf("the breaker is %v", b.State())
	}
}

func TestPeer10_AWaiterLeavesWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.says(func(ctx context.Context) error {
			<-ctx.Done()
			return refuseWith(fault.Canceled)(ctx)
		})
		g := newGuard(t, guard.Config{Pool: s, CheckoutTimeout: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := guard.DoWith(ctx, must(guard.Bind[*conn](g)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
		wantCode(t, err, fault.Canceled)
		if time.Since(began) != time.Millisecond {
			t.Errorf("left after %v", time.Since(began))
		}
	})
}

// returns is a pool that notes the instant at which its worker was returned.
type returns struct {
	*stage
	lent, ended clock.Instant
}

func (r *returns) Checkout(ctx context.Context, o pool.CheckoutOptions) (pool.Loan, error) {
	l, err := r.stage.Checkout(ctx, o)
	r.lent = clock.Now()
	return l, err
}

func (r *returns) Return(l pool.Loan, fate pool.Fate) {
	r.ended = l.Ended
	r.stage.Return(l, fate)
}

// The bug: a breaker that opened while the call waited for its worker had the worker
// returned as of the beginning of the wait, so the pool recorded a negative hold time.
func TestAWorkerOfARefusedCallIsNotReturnedBeforeItWasLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Hour})
		s := &returns{stage: newStage()}
		s.says(func(context.Context) error {
			time.Sleep(time.Second)
			p := b.Allow()
			p.Failure(errDown)
			return nil
		})
		db := must(guard.Bind[*conn](newGuard(t, guard.Config{Breaker: b, Pool: s})))
		_, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
		wantCode(t, err, fault.CircuitOpen)
		if s.out() != 0 || s.ended < s.lent {
			t.Errorf("%d workers out; lent at %d, returned at %d", s.out(), s.lent, s.ended)
		}
	})
}
