package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func TestScenario78_ALimitOfNRunsNCalls(t *testing.T) {
	const n = 5
	g := newGuard(t, guard.Config{RateLimit: newLimit(t, n)})
	ran := 0
	var last error
	for range n + 1 {
		last = g.Do(t.Context(), func(context.Context) error { ran++; return nil })
	}
	wantCode(t, last, fault.RateLimited)
	if ran != n {
		t.Errorf("ran %d times, want %d", ran, n)
	}
	if f, ok := errors.AsType[*fault.Error](last); !ok || f.RetryAfter() <= 0 || len(f.Evidence()) == 0 {
		t.Errorf("the refusal %v does not say when to retry, or why", last)
	}
}

func TestScenario79_FailuresOpenTheBreaker(t *testing.T) {
	g := newGuard(t, guard.Config{Breaker: newBreaker(t, breaker.Config{FailureThreshold: 3})})
	for range 3 {
		if err := g.Do(t.Context(), fail); err != errDown { //nolint:errorlint // not wrapped is what is promised
			t.Fatalf("error %v, want the function's own", err)
		}
	}
	err := g.Do(t.Context(), func(context.Context) error { t.Error("ran"); return nil })
	wantCode(t, err, fault.CircuitOpen)
	again := g.Do(t.Context(), succeed)
	if err != again { //nolint:errorlint // identity is meant
		t.Error("one open episode has two refusals")
	}
}

func TestScenario81_WithoutProtectionsNothingIsWrapped(t *testing.T) {
	g := newGuard(t, guard.Config{})
	v, err := guard.Do(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { return 7, nil })
	if v != 7 || err != nil {
		t.Errorf("got %d, %v", v, err)
	}
	v, err = guard.Do(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { return 8, errDown })
	if v != 8 || err != errDown { //nolint:errorlint // not wrapped is what is promised
		t.Errorf("got %d, %v", v, err)
	}
}

func TestScenario82_ALimitedCallTouchesNothingElse(t *testing.T) {
	s, b, limit := newStage(), newBreaker(t, breaker.Config{FailureThreshold: 1}), newLimit(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, RateLimit: limit, Pool: s})
	db := must(guard.Bind[*conn](g))
	use := func(context.Context, *conn) (int, error) { return 0, nil }
	for i := range 3 {
		_, err := guard.DoWith(t.Context(), db, guard.Call{}, use)
		if i > 0 {
			wantCode(t, err, fault.RateLimited)
		}
	}
	if s.checkouts != 1 || b.Status().Totals.Failures != 0 || b.State() != breaker.StateClosed {
		t.Errorf("%d checkouts, breaker %+v", s.checkouts, b.Status().Totals)
	}
}

func TestScenario82_AnOpenBreakerCostsNoTokenAndNoWorker(t *testing.T) {
	s, limit := newStage(), newLimit(t, 4)
	g := newGuard(t, guard.Config{Breaker: openBreaker(t), RateLimit: limit, Pool: s})
	_, err := guard.DoWith(t.Context(), must(guard.Bind[*conn](g)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
	wantCode(t, err, fault.CircuitOpen)
	if s.checkouts != 0 || limit.Peek(ratelimit.Key{}).Remaining != 4 {
		t.Errorf("%d checkouts, %d tokens remain of 4", s.checkouts, limit.Peek(ratelimit.Key{}).Remaining)
	}
}

// The breaker may open between the look and the permit: then all is given back.
func TestScenario84a_APermitRefusedAfterTheCheckoutGivesEverythingBack(t *testing.T) {
	for _, how := range []mode.Mode{mode.Enforce, mode.Shadow} {
		s, b, limit := newStage(), newBreaker(t, breaker.Config{FailureThreshold: 1}), newLimit(t, 4)
		s.says(func(context.Context) error {
			p := b.Allow()
			p.Failure(errDown)
			return nil
		})
		g := newGuard(t, guard.Config{Breaker: b, RateLimit: limit, Pool: s, Concurrency: 1, Mode: how})
		_, err := guard.DoWith(t.Context(), must(guard.Bind[*conn](g)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
		if how == mode.Enforce {
			wantCode(t, err, fault.CircuitOpen)
		} else if err != nil {
			t.Errorf("shadow refused: %v", err)
		}
		if s.out() != 0 || s.checkouts != 1 || limit.Peek(ratelimit.Key{}).Remaining != 4 || g.Status().SlotsTaken != 0 {
			t.Errorf("%v: %d workers out after %d checkouts, %d tokens remain, %d slots taken",
				how, s.out(), s.checkouts, limit.Peek(ratelimit.Key{}).Remaining, g.Status().SlotsTaken)
		}
	}
}

func TestScenario84_MemoryRefusesByPriority(t *testing.T) {
	m := &memory{refuse: func(c guard.Call) bool { return c.Priority >= guard.BestEffort }}
	bus := telemetry.NewBus()
	var refused []guard.Executed
	must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.Executed) {
		if e.RefusedBy != "" && !e.WouldRefuse {
			refused = append(refused, e)
		}
	}))
	g := newGuard(t, guard.Config{Admission: m, Priority: guard.Bulk}, guard.WithBus(bus))
	bulk := guard.WithPriority(t.Context(), guard.Bulk)
	critical := guard.WithPriority(t.Context(), guard.Critical)
	for _, tc := range []struct {
		name string
		ctx  context.Context
		call guard.Call
		runs bool
	}{
		{"the guard's priority", t.Context(), guard.Call{}, false},
		{"the context's over the guard's", critical, guard.Call{}, true},
		{"the call's over the context's", bulk, guard.Call{Priority: guard.Normal}, true},
		{"the call's over the context's, downwards", critical, guard.Call{Priority: guard.BestEffort}, false},
		{"a call that releases memory", bulk, guard.Call{ReleasesMemory: true}, true},
	} {
		err := g.DoCall(tc.ctx, tc.call, succeed)
		if tc.runs != (err == nil) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if !tc.runs {
			wantCode(t, err, fault.MemoryPressure)
		}
	}
	if len(refused) != 2 || refused[0].RefusedBy != "memory" || refused[0].Code != fault.MemoryPressure {
		t.Errorf("events %+v", refused)
	}
}

func TestScenario84b_AnInnerRefusalIsIgnored(t *testing.T) {
	outer := newBreaker(t, breaker.Config{FailureThreshold: 1})
	g := newGuard(t, guard.Config{Breaker: outer})
	for name, inner := range map[string]*guard.Guard{
		"limit":       newGuard(t, guard.Config{RateLimit: must(ratelimit.New("none", ratelimit.Config{Limit: -1}))}),
		"breaker":     newGuard(t, guard.Config{Breaker: openBreaker(t)}),
		"memory":      newGuard(t, guard.Config{Admission: &memory{refuse: func(guard.Call) bool { return true }}}),
		"concurrency": full(t),
	} {
		err := g.Do(t.Context(), func(ctx context.Context) error {
			return fmt.Errorf("inner: %w", inner.Do(ctx, succeed))
		})
		if err == nil || outer.State() != breaker.StateClosed {
			t.Errorf("%s: error %v, outer breaker %v", name, err, outer.State())
		}
	}
	if n := g.Status().Results[guard.Indifferent]; n != 4 {
		t.Errorf("%d calls ignored, want 4", n)
	}
}

// full returns a guard whose concurrency is used up.
func full(t *testing.T) *guard.Guard {
	t.Helper()
	g := newGuard(t, guard.Config{Concurrency: 1})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	t.Cleanup(tok.Close)
	return g
}

func TestScenario22_ATimeoutIsCountedOnceAndWrapsTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 2})
		g := newGuard(t, guard.Config{Breaker: b, Timeout: time.Second})
		own := errors.New("query cut short")
		began := time.Now()
		err := g.Do(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return own
		})
		wantCode(t, err, fault.CallTimeout)
		if !errors.Is(err, own) || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if n := b.Status().Totals.Failures; n != 1 {
			t.Errorf("%d failures counted", n)
		}
		if s := g.Status(); s.Results[guard.TimedOut] != 1 {
			t.Errorf("results %v", s.Results)
		}
	})
}

func TestClassification(t *testing.T) {
	const limit = time.Second
	cause := errors.New("the client hung up")
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	within := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
	}
	canceling := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(time.Millisecond, func() { cancel(cause) })
		return ctx, func() { cancel(nil) }
	}
	for _, tc := range []struct {
		name   string
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		fn     func(context.Context) error
		result guard.Result
	}{
		{"nil", nil, succeed, guard.Succeeded},
		{"an error", nil, fail, guard.Failed},
		{"the guard's deadline", nil, wait, guard.TimedOut},
		{"the caller's cancel", canceling, wait, guard.CallerLeft},
		{"the cause of the caller's cancel", canceling, func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, guard.CallerLeft},
		{"another error while the caller has left", canceling, func(ctx context.Context) error { <-ctx.Done(); return errDown }, guard.Failed},
		{"a canceled context that is not the caller's", nil, func(context.Context) error { return context.Canceled }, guard.Failed},
		{"a deadline that is nobody's here", nil, func(context.Context) error { return context.DeadlineExceeded }, guard.Failed},
		{"the caller's deadline, one ns below the floor", within(limit/10 - 1), wait, guard.CallerLeft},
		{"the caller's deadline, at the floor", within(limit / 10), wait, guard.TimedOut},
		{"the caller's deadline, later than the guard's", within(2 * limit), wait, guard.TimedOut},
		{"neutral", nil, func(context.Context) error { return fmt.Errorf("so: %w", guard.Neutral(errDown)) }, guard.Indifferent},
		{"a cancellation that was found neutral", nil, func(context.Context) error { return guard.Neutral(context.Canceled) }, guard.CallerLeft},
		{"a caller that left, further in", nil, func(context.Context) error { return fault.New(fault.Spec{Code: fault.Canceled}) }, guard.CallerLeft},
		{"a refusal further in", nil, func(context.Context) error { return fault.New(fault.Spec{Code: fault.PoolTimeout}) }, guard.Indifferent},
		{"a worker that could not be made further in", nil, func(context.Context) error { return fault.New(fault.Spec{Code: fault.WorkerFailed}) }, guard.Failed},
		{"a worker for which this machine has no descriptor", nil, func(context.Context) error {
			return fault.New(fault.Spec{Code: fault.WorkerFailed, Cause: syscall.EMFILE})
		}, guard.Indifferent},
		{"a timeout further in", nil, func(context.Context) error { return fault.New(fault.Spec{Code: fault.CallTimeout}) }, guard.TimedOut},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBreaker(t, breaker.Config{FailureThreshold: 1})
				g := newGuard(t, guard.Config{Timeout: limit, Breaker: b})
				ctx := t.Context()
				if tc.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = tc.ctx(ctx)
					defer cancel()
				}
				_ = g.Do(ctx, tc.fn)
				if n := g.Status().Results[tc.result]; n != 1 {
					t.Errorf("results %v, want one %v", g.Status().Results, tc.result)
				}
				counts := tc.result == guard.Failed || tc.result == guard.TimedOut
				if opened := b.State() == breaker.StateOpen; opened != counts {
					t.Errorf("the breaker opened: %v", opened)
				}
			})
		})
	}
}

func TestClassifyIsAskedOnlyAboutTheDependencysOwnErrors(t *testing.T) {
	notFound := errors.New("no such row")
	var asked []error
	g := newGuard(t, guard.Config{Classify: func(err error) outcome.Outcome {
		asked = append(asked, err)
		if errors.Is(err, notFound) {
			return outcome.Success
		}
		return outcome.Failure
	}})
	ctx, cancel := context.WithCancel(t.Context())
	for _, fn := range []func(context.Context) error{
		succeed,
		fail,
		func(context.Context) error { return notFound },
		func(context.Context) error { return guard.Neutral(notFound) },
		func(context.Context) error { return fault.New(fault.Spec{Code: fault.RateLimited}) },
		func(ctx context.Context) error { cancel(); return ctx.Err() },
	} {
		_ = g.Do(ctx, fn)
	}
	s := g.Status()
	if len(asked) != 2 || s.Results[guard.Succeeded] != 2 || s.Results[guard.Failed] != 1 || s.Results[guard.Indifferent] != 2 {
		t.Errorf("asked about %v, results %v", asked, s.Results)
	}
}

func TestAClassifierThatPanicsCountsAsAFailure(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1, Classify: func(error) outcome.Outcome { panic("in the classifier") }})
	panicked, _ := drive(func() { _ = g.Do(context.Background(), fail) })
	if s := g.Status(); panicked == nil || s.Results[guard.Failed] != 1 || s.SlotsTaken != 0 {
		t.Errorf("panicked %v, results %v, %d slots taken", panicked, s.Results, s.SlotsTaken)
	}
}

// A handler that ends the goroutine in the middle of the settling must neither
// lose an account nor make the settling happen twice.
func TestAHandlerThatEndsTheGoroutineCannotSettleTwice(t *testing.T) {
	bus := telemetry.NewBus()
	must(telemetry.Subscribe(bus, "exits", func(ctx context.Context, _ breaker.CallExecuted) { _ = exits(ctx) }))
	b := must(breaker.New("payments", breaker.Config{}, breaker.WithBus(bus)))
	s := newStage()
	g := newGuard(t, guard.Config{Breaker: b, Pool: s, Concurrency: 1})
	_, exited := drive(func() {
		_, _ = guard.DoWith(context.Background(), must(guard.Bind[*conn](g)), guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
	})
	st := g.Status()
	if !exited || st.Results[guard.Succeeded] != 1 || st.Results[guard.Failed] != 0 || st.SlotsTaken != 0 || st.InFlight != 0 || s.out() != 0 {
		t.Errorf("exited %v, results %v, %d slots, %d in flight, %d workers out", exited, st.Results, st.SlotsTaken, st.InFlight, s.out())
	}
}

// The same of a call that did not return: what it held is given back, also if the
// handler ends the goroutine that a panic ends already.
func TestAHandlerThatEndsTheGoroutineKeepsNothingOfABrokenCall(t *testing.T) {
	for name, end := range map[string]func(context.Context) error{"panic": panics, "goexit": exits} {
		t.Run(name, func(t *testing.T) {
			bus := telemetry.NewBus()
			must(telemetry.Subscribe(bus, "exits", func(ctx context.Context, _ breaker.CallExecuted) { _ = exits(ctx) }))
			b := must(breaker.New("payments", breaker.Config{}, breaker.WithBus(bus)))
			s := newStage()
			g := newGuard(t, guard.Config{Breaker: b, Pool: s, Concurrency: 1})
			drive(func() {
				_, _ = guard.DoWith(t.Context(), must(guard.Bind[*conn](g)), guard.Call{}, func(ctx context.Context, _ *conn) (int, error) { return 0, end(ctx) })
			})
			st := g.Status()
			if st.Results[guard.Failed] != 1 || st.SlotsTaken != 0 || st.InFlight != 0 || s.out() != 0 || s.discarded != 1 {
				t.Errorf("results %v, %d slots, %d in flight, %d workers out, %d discarded", st.Results, st.SlotsTaken, st.InFlight, s.out(), s.discarded)
			}
		})
	}
	t.Run("token", func(t *testing.T) {
		bus := telemetry.NewBus()
		must(telemetry.Subscribe(bus, "exits", func(ctx context.Context, _ breaker.CallExecuted) { _ = exits(ctx) }))
		g := newGuard(t, guard.Config{Breaker: must(breaker.New("payments", breaker.Config{}, breaker.WithBus(bus))), Concurrency: 1})
		drive(must(g.Enter(t.Context(), guard.Call{})).Close)
		if st := g.Status(); st.Results[guard.Failed] != 1 || st.SlotsTaken != 0 || st.InFlight != 0 {
			t.Errorf("results %v, %d slots, %d in flight", st.Results, st.SlotsTaken, st.InFlight)
		}
	})
}

func TestADoneContextIsRefusedBeforeAnythingIsTaken(t *testing.T) {
	m, limit := &memory{}, newLimit(t, 1)
	g := newGuard(t, guard.Config{Admission: m, RateLimit: limit})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := g.Do(ctx, succeed)
	wantCode(t, err, fault.Canceled)
	if !errors.Is(err, context.Canceled) || len(m.asked) != 0 || limit.Peek(ratelimit.Key{}).Remaining != 1 {
		t.Errorf("%v; memory was asked %d times, %d tokens remain", err, len(m.asked), limit.Peek(ratelimit.Key{}).Remaining)
	}
}

func TestTheContextHasTheEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second})
		for _, tc := range []struct{ callers, want time.Duration }{
			{time.Minute, time.Second},
			{time.Second, time.Second},
			{time.Millisecond, time.Millisecond},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), tc.callers)
			_ = g.Do(ctx, func(inner context.Context) error {
				d, ok := inner.Deadline()
				if !ok || time.Until(d) != tc.want || (tc.callers <= time.Second) != (inner == ctx) {
					t.Errorf("caller's deadline in %v: the call has %v, its own context: %v", tc.callers, time.Until(d), inner != ctx)
				}
				return nil
			})
			cancel()
		}
	})
}

// A deadline that is not released keeps its timer until it fires.
func TestTheDeadlineIsReleasedWithTheCall(t *testing.T) {
	g := newGuard(t, guard.Config{Timeout: time.Hour})
	var seen []context.Context
	keep := func(ctx context.Context) error { seen = append(seen, ctx); return nil }
	_ = g.Do(t.Context(), keep)
	drive(func() {
		_ = g.Do(t.Context(), func(ctx context.Context) error { _ = keep(ctx); return panics(ctx) })
	})
	tok := must(g.Enter(t.Context(), guard.Call{}))
	seen = append(seen, tok.Context())
	tok.Close()
	_, _ = guard.DoDetached(t.Context(), g, guard.Call{}, func(ctx context.Context) (int, error) { return 0, keep(ctx) })
	for i, ctx := range seen {
		if !errors.Is(ctx.Err(), context.Canceled) || len(seen) != 4 {
			t.Errorf("call %d of %d: its context is %v", i, len(seen), ctx.Err())
		}
	}
}

func TestNilFunctionsAreRefused(t *testing.T) {
	g := newGuard(t, guard.Config{})
	wantCode(t, g.Do(t.Context(), nil), fault.InvalidArgument)
	wantCode(t, g.DoCall(t.Context(), guard.Call{}, nil), fault.InvalidArgument)
	_, err := guard.Do[int](t.Context(), g, guard.Call{}, nil)
	wantCode(t, err, fault.InvalidArgument)
	_, err = guard.DoDetached[int](t.Context(), g, guard.Call{}, nil)
	wantCode(t, err, fault.InvalidArgument)
	db := must(guard.Bind[*conn](newGuard(t, guard.Config{Pool: newStage()})))
	_, err = guard.DoWith[*conn, int](t.Context(), db, guard.Call{}, nil)
	wantCode(t, err, fault.InvalidArgument)
	_, err = guard.DoDetached(t.Context(), db.Guard(), guard.Call{}, func(context.Context) (int, error) { return 1, nil })
	wantCode(t, err, fault.InvalidArgument)
	if guard.Neutral(nil) != nil {
		t.Error("Neutral(nil) is an error")
	}
	_, err = guard.Op[int]{Guard: g}.Do(t.Context(), guard.Call{}, nil)
	wantCode(t, err, fault.InvalidArgument)
}

func TestCostsAndKeys(t *testing.T) {
	limit := newLimit(t, 4)
	g := newGuard(t, guard.Config{RateLimit: limit})
	a, b := ratelimit.KeyOf("a"), ratelimit.KeyOf("b")
	for _, tc := range []struct {
		key  ratelimit.Key
		cost int64
		ok   bool
	}{{a, 3, true}, {a, 2, false}, {b, 4, true}, {a, 1, true}, {a, 0, false}, {a, 5, false}} {
		if err := g.DoCall(t.Context(), guard.Call{Key: tc.key, Cost: tc.cost}, succeed); (err == nil) != tc.ok {
			t.Errorf("key %v, cost %d: %v", tc.key.Text(), tc.cost, err)
		}
	}
}

func TestTokensComeBackAfterAFailureIfConfigured(t *testing.T) {
	for _, refund := range []bool{false, true} {
		limit := newLimit(t, 2)
		g := newGuard(t, guard.Config{RateLimit: limit, RefundOnFailure: refund})
		_ = g.Do(t.Context(), fail)
		want := map[bool]int64{false: 1, true: 2}[refund]
		if got := limit.Peek(ratelimit.Key{}).Remaining; got != want {
			t.Errorf("refund %v: %d tokens remain, want %d", refund, got, want)
		}
	}
}

func TestAGroupHasOneBreakerForEachKey(t *testing.T) {
	group := must(breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 1}, 0))
	g := newGuard(t, guard.Config{Breakers: group})
	a, b := guard.Call{Key: ratelimit.KeyOf("a")}, guard.Call{Key: ratelimit.KeyOf("b")}
	_ = g.DoCall(t.Context(), a, fail)
	wantCode(t, g.DoCall(t.Context(), a, succeed), fault.CircuitOpen)
	if err := g.DoCall(t.Context(), b, succeed); err != nil {
		t.Error(err)
	}
}

// While the word of the admission is 0 it is not asked.
func TestMemory_IsAskedOnlyWhileItRefuses(t *testing.T) {
	m := &memory{word: new(atomic.Uint32), refuse: func(guard.Call) bool { return true }}
	g := newGuard(t, guard.Config{Admission: m})
	for _, word := range []uint32{0, 1, 0} {
		m.word.Store(word)
		if err := g.Do(t.Context(), succeed); (err != nil) != (word != 0) {
			t.Errorf("with the word at %d: %v", word, err)
		}
	}
	if len(m.asked) != 1 {
		t.Errorf("it was asked %d times", len(m.asked))
	}
}
