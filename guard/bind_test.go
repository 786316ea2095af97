package guard_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func TestAWorkerIsLentAndReturnedAsTheCallEnded(t *testing.T) {
	for _, tc := range []struct {
		name                string
		fn                  func(context.Context, *conn) (int, error)
		suspects, discarded int
	}{
		{"success", func(_ context.Context, c *conn) (int, error) { return c.id, nil }, 0, 0},
		{"error", func(context.Context, *conn) (int, error) { return 0, errDown }, 1, 0},
		{"time ran out", func(ctx context.Context, _ *conn) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, 0, 1},
		{"panic", func(ctx context.Context, _ *conn) (int, error) { return 0, panics(ctx) }, 0, 1},
		{"goexit", func(ctx context.Context, _ *conn) (int, error) { return 0, exits(ctx) }, 0, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage()
				db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: s, Timeout: time.Second})))
				drive(func() { _, _ = guard.DoWith(t.Context(), db, guard.Call{}, tc.fn) })
				if s.out() != 0 || s.suspects != tc.suspects || s.discarded != tc.discarded {
					t.Errorf("%d out, %d suspect, %d discarded", s.out(), s.suspects, s.discarded)
				}
			})
		})
	}
}

func TestAWorkerThatCannotBeMadeOpensTheBreaker(t *testing.T) {
	s, b, limit := newStage(), newBreaker(t, breaker.Config{FailureThreshold: 3}), newLimit(t, 10)
	s.says(refuseWith(fault.WorkerFailed))
	db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: s, Breaker: b, RateLimit: limit})))
	for range 3 {
		_, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
		wantCode(t, err, fault.WorkerFailed)
	}
	if b.State() != breaker.StateOpen || limit.Peek(ratelimit.Key{}).Remaining != 10 {
		t.Errorf("breaker %v, %d tokens remain", b.State(), limit.Peek(ratelimit.Key{}).Remaining)
	}
}

func TestAWorkerForWhichThisMachineHasNoDescriptorIsNotTheDependencysFault(t *testing.T) {
	s, b := newStage(), newBreaker(t, breaker.Config{FailureThreshold: 1})
	s.says(func(context.Context) error {
		return fault.New(fault.Spec{Code: fault.WorkerFailed, Cause: fmt.Errorf("dial: %w", syscall.EMFILE)})
	})
	db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: s, Breaker: b})))
	_, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
	wantCode(t, err, fault.WorkerFailed)
	if b.State() != breaker.StateClosed {
		t.Errorf("the breaker is %v", b.State())
	}
}

func TestOccupancyNeverCountsAgainstTheDependency(t *testing.T) {
	for _, code := range []fault.Code{fault.PoolFull, fault.PoolTimeout, fault.Closed, fault.Canceled} {
		s, b := newStage(), newBreaker(t, breaker.Config{FailureThreshold: 1})
		s.says(refuseWith(code))
		g := newGuard(t, guard.Config{Pool: s, Breaker: b})
		_, err := guard.DoWith(t.Context(), must(guard.Bind[*conn](g)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
		wantCode(t, err, code)
		if b.State() != breaker.StateClosed || g.Status().Refused[code] != 1 {
			t.Errorf("%v: breaker %v, refused %v", code, b.State(), g.Status().Refused)
		}
	}
}

func TestTheWaitForAWorkerIsNotPartOfTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage()
		s.says(func(context.Context) error { time.Sleep(3 * time.Second); return nil })
		g := newGuard(t, guard.Config{Pool: s, Timeout: 2 * time.Second})
		_, err := guard.DoWith(t.Context(), must(guard.Bind[*conn](g)), guard.Call{}, func(ctx context.Context, _ *conn) (int, error) {
			time.Sleep(time.Second)
			return 0, ctx.Err()
		})
		st := g.Status()
		if err != nil || st.Wait.Mean != 3*time.Second || st.Duration.Mean != time.Second {
			t.Errorf("%v, waited %v, took %v", err, st.Wait.Mean, st.Duration.Mean)
		}
	})
}

func TestCheckoutTimeouts(t *testing.T) {
	for _, tc := range []struct {
		guards, calls time.Duration
		want          pool.CheckoutOptions
	}{
		{0, 0, pool.CheckoutOptions{}},
		{time.Second, 0, pool.CheckoutOptions{Timeout: time.Second}},
		{time.Second, time.Minute, pool.CheckoutOptions{Timeout: time.Minute}},
		{time.Second, -1, pool.CheckoutOptions{NoWait: true}},
	} {
		s := newStage()
		db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: s, CheckoutTimeout: tc.guards})))
		_, _ = guard.DoWith(t.Context(), db, guard.Call{CheckoutTimeout: tc.calls}, func(context.Context, *conn) (int, error) { return 0, nil })
		tc.want.At = s.last.At
		if s.last != tc.want || s.last.At == 0 {
			t.Errorf("%v and %v: options %+v, want %+v", tc.guards, tc.calls, s.last, tc.want)
		}
	}
}

func TestABoundGuardNoticesThatItsPoolChanged(t *testing.T) {
	s := newStage()
	g := newGuard(t, guard.Config{Pool: s})
	db := must(guard.Bind[*conn](g))
	use := func(context.Context, *conn) (int, error) { return 0, nil }
	other := must(pool.New("numbers", pool.Config{}, pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }}))
	defer func() { _ = other.Close(context.Background()) }()
	if err := g.Reconfigure(guard.Config{Pool: other}); err != nil {
		t.Fatal(err)
	}
	_, err := guard.DoWith(t.Context(), db, guard.Call{}, use)
	wantCode(t, err, fault.InvalidArgument)
	if err := g.Reconfigure(guard.Config{}); err != nil {
		t.Fatal(err)
	}
	_, err = guard.DoWith(t.Context(), db, guard.Call{}, use)
	wantCode(t, err, fault.InvalidArgument)
	if n := g.Status().Results[guard.Failed]; n != 0 {
		t.Errorf("%d failures counted for a wrong worker", n)
	}
}

func TestARealPoolLendsThroughTheGuard(t *testing.T) {
	p := must(pool.New("orders", pool.Config{Size: 1}, pool.Factory[*conn]{New: func(context.Context) (*conn, error) { return &conn{7}, nil }}))
	defer func() { _ = p.Close(context.Background()) }()
	g := newGuard(t, guard.Config{Pool: p})
	db := must(guard.Bind[*conn](g))
	id, err := guard.DoWith(t.Context(), db, guard.Call{}, func(ctx context.Context, c *conn) (int, error) {
		_, inner := guard.DoWith(ctx, db, guard.Call{CheckoutTimeout: -1}, func(context.Context, *conn) (int, error) { return 0, nil })
		wantCode(t, inner, fault.PoolFull)
		return c.id, nil
	})
	if id != 7 || err != nil || p.Stats().InUse != 0 {
		t.Errorf("%d, %v, %d in use", id, err, p.Stats().InUse)
	}
}

func TestOpJudgesByResult(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 2})
	op := guard.Op[string]{
		Guard: newGuard(t, guard.Config{Breaker: b}),
		Classify: func(v string, err error) outcome.Outcome {
			if err != nil || v == "" {
				return outcome.Failure
			}
			return outcome.Success
		},
		Fallback: func(_ context.Context, err error) (string, error) { return "cached", err },
	}
	for _, tc := range []struct {
		name, v string
		err     error
		want    string
		code    error
	}{
		{"good", "fresh", nil, "fresh", nil},
		{"bad without an error", "", nil, "cached", fault.OperationFailed},
		{"failed", "", errDown, "cached", errDown},
		{"refused", "never", nil, "cached", fault.CircuitOpen},
	} {
		v, err := op.Do(t.Context(), guard.Call{}, func(context.Context) (string, error) { return tc.v, tc.err })
		if v != tc.want || !errors.Is(err, tc.code) {
			t.Errorf("%s: %q, %v", tc.name, v, err)
		}
	}
}

func TestOpHasNoFallbackForACallerWhoLeft(t *testing.T) {
	op := guard.Op[int]{
		Guard:    newGuard(t, guard.Config{}),
		Fallback: func(context.Context, error) (int, error) { t.Error("fell back"); return 0, nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := op.Do(ctx, guard.Call{}, func(ctx context.Context) (int, error) { cancel(); return 0, ctx.Err() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestARealPoolReplacesAWorkerThatWasLeftInTheMiddle(t *testing.T) {
	made := 0
	p := must(pool.New("orders", pool.Config{Size: 1}, pool.Factory[*conn]{New: func(context.Context) (*conn, error) { made++; return &conn{made}, nil }}))
	defer func() { _ = p.Close(context.Background()) }()
	db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: p})))
	drive(func() {
		_, _ = guard.DoWith(context.Background(), db, guard.Call{}, func(ctx context.Context, _ *conn) (int, error) { return 0, panics(ctx) })
	})
	id, err := guard.DoWith(t.Context(), db, guard.Call{}, func(_ context.Context, c *conn) (int, error) { return c.id, nil })
	if id != 2 || err != nil || db.Guard().Status().Pool != "orders" {
		t.Errorf("worker %d, %v, pool %q", id, err, db.Guard().Status().Pool)
	}
}

// A call that has loaded its revision may find the pool closed, because the next
// revision has another one and the root closes what nobody needs any more.
func TestScenario84c_ACallThatComesToAReplacedPoolBeginsAgain(t *testing.T) {
	old, next, limit := newStage(), newStage(), newLimit(t, 5)
	g := newGuard(t, guard.Config{Pool: old, RateLimit: limit, Concurrency: 1})
	db := must(guard.Bind[*conn](g))
	old.says(func(ctx context.Context) error {
		if err := g.Reconfigure(guard.Config{Pool: next, RateLimit: limit, Concurrency: 1}); err != nil {
			t.Error(err)
		}
		return refuseWith(fault.Closed)(ctx)
	})
	v, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 7, nil })
	if v != 7 || err != nil || next.checkouts != 1 || next.out() != 0 {
		t.Errorf("%d, %v, %d checkouts of the new pool", v, err, next.checkouts)
	}
	if n := limit.Peek(ratelimit.Key{}).Remaining; n != 4 {
		t.Errorf("%d tokens remain of 5 after one call", n)
	}
	if s := g.Status(); s.SlotsTaken != 0 || s.Refused[fault.Closed] != 0 {
		t.Errorf("%d slots taken, refused %v", s.SlotsTaken, s.Refused)
	}
}

// What shadow mode noted under the settings that were replaced is not reported of
// the call, which these did not see.
func TestACallThatBeginsAgainIsReportedAsItWent(t *testing.T) {
	bus := telemetry.NewBus()
	var told []guard.Executed
	must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.Executed) { told = append(told, e) }))
	old, next := newStage(), newStage()
	limit := newLimit(t, 1)
	limit.Allow(ratelimit.Key{})
	g := newGuard(t, guard.Config{Mode: mode.Shadow, Pool: old, RateLimit: limit}, guard.WithBus(bus))
	db := must(guard.Bind[*conn](g))
	old.says(func(ctx context.Context) error {
		if err := g.Reconfigure(guard.Config{Pool: next}); err != nil {
			t.Error(err)
		}
		return refuseWith(fault.Closed)(ctx)
	})
	if _, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 7, nil }); err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].WouldRefuse || told[0].RefusedBy != "" || told[0].Code != 0 {
		t.Errorf("%+v", told)
	}
}

// Only a closed pool is a reason to begin again: another refusal is an answer.
func TestARefusalDuringAReconfigurationIsAnAnswer(t *testing.T) {
	s := newStage()
	g := newGuard(t, guard.Config{Pool: s})
	db := must(guard.Bind[*conn](g))
	s.says(func(ctx context.Context) error {
		if err := g.Reconfigure(guard.Config{Pool: newStage()}); err != nil {
			t.Error(err)
		}
		return refuseWith(fault.PoolFull)(ctx)
	})
	_, err := guard.DoWith(t.Context(), db, guard.Call{}, func(context.Context, *conn) (int, error) { return 7, nil })
	wantCode(t, err, fault.PoolFull)
}

func TestARefusalThatIsNoFaultIsCountedAsUnavailable(t *testing.T) {
	s := newStage()
	s.says(fail)
	g := newGuard(t, guard.Config{Pool: s})
	db := must(guard.Bind[*conn](g))
	use := func(context.Context, *conn) (int, error) { return 0, nil }
	if _, err := guard.DoWith(t.Context(), db, guard.Call{}, use); err != errDown { //nolint:errorlint // as the stage gave it
		t.Errorf("error %v", err)
	}
	s.says(func(ctx context.Context) error { return fmt.Errorf("adapter: %w", refuseWith(fault.PoolTimeout)(ctx)) })
	_, err := guard.DoWith(t.Context(), db, guard.Call{}, use)
	wantCode(t, err, fault.PoolTimeout)
	if r := g.Status().Refused; r[fault.Unavailable] != 1 || r[fault.PoolTimeout] != 1 {
		t.Errorf("refused %v", r)
	}
}
