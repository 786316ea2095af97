package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func TestScenario01_NewBreakerIsClosedAndEmpty(t *testing.T) {
	s := mustNew(t, breaker.Config{}).Status()
	if s.State != breaker.StateClosed || !s.RetryAt.IsZero() || s.Totals != (breaker.Counts{}) || s.OpenedBy != nil {
		t.Errorf("%+v", s)
	}
	if len(s.Counted) != 1 || s.Counted[0] != fault.Against("failures", 0, 5, "") {
		t.Errorf("counted %v", s.Counted)
	}
}

func TestScenario03_ValueAndOneEventForAListener(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{}, breaker.WithBus(bus))
		var events []breaker.CallExecuted
		_, _ = telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallExecuted) { events = append(events, e) })
		v, err := breaker.Do(t.Context(), b, func(context.Context) (int, error) { time.Sleep(3 * second); return 7, nil })
		if v != 7 || err != nil {
			t.Errorf("got %v, %v", v, err)
		}
		want := breaker.CallExecuted{Name: "payments", Outcome: outcome.Success, Duration: 3 * second}
		if len(events) != 1 || events[0] != want {
			t.Errorf("events %+v", events)
		}
	})
}

func TestScenario04_OpensOnExactlyTheNthFailure(t *testing.T) {
	for n := 1; n <= 10; n++ {
		b := mustNew(t, breaker.Config{FailureThreshold: n})
		failures(b, n-1)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
		failures(b, 1)
		wantState(t, b, breaker.StateOpen)
	}
}

func TestScenario05_OpenRefusesEveryCall(t *testing.T) {
	bus := telemetry.NewBus()
	b := mustNew(t, breaker.Config{}, breaker.WithBus(bus))
	rejected := 0
	_, _ = telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallRejected) {
		if e.State == breaker.StateOpen && !e.WouldRefuse && e.Name == "payments" && !e.RetryAt.IsZero() {
			rejected++
		}
	})
	open(t, b)
	first := wantRefused(t, b)
	for range 99 {
		if f := wantRefused(t, b); f != first {
			t.Fatal("one open episode has two errors")
		}
	}
	if rejected != 100 || b.Status().Totals.Rejected != 100 {
		t.Errorf("%d events, %+v", rejected, b.Status().Totals)
	}
}

func TestScenario06_TheOperationsOwnErrorComesBack(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	wrapped := fmt.Errorf("charge: %w", errDown)
	err := b.Do(t.Context(), func(context.Context) error { return wrapped })
	if err != wrapped || !errors.Is(err, errDown) || b.Status().Totals.Failures != 1 { //nolint:errorlint // identity is the point
		t.Errorf("%v, %+v", err, b.Status().Totals)
	}
}

func TestScenario08_ResetClosesAndEmpties(t *testing.T) {
	bus := telemetry.NewBus()
	b := mustNew(t, breaker.Config{FailureThreshold: 2}, breaker.WithBus(bus))
	seen := watch(t, bus)
	open(t, b)
	b.Reset("ada")
	wantState(t, b, breaker.StateClosed)
	failures(b, 1)
	b.Reset("ada")
	failures(b, 1)
	wantState(t, b, breaker.StateClosed)
	wantAdmitted(t, b)
	if got := edgesOf(*seen); got != "closed→open open→closed closed→closed " {
		t.Errorf("edges %s", got)
	}
	if e := (*seen)[1]; e.Actor != "ada" || e.Cause != "reset" {
		t.Errorf("reset reported as %+v", e)
	}
}

func TestScenario10_ASuccessorOwesItsPredecessorNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old := mustNew(t, breaker.Config{FailureThreshold: 1})
		late := old.Allow()
		open(t, old)
		b := mustNew(t, breaker.Config{FailureThreshold: 1})
		late.Failure(errDown)
		time.Sleep(time.Minute)
		wantState(t, b, breaker.StateClosed)
		if b.Status().Generation != 0 {
			t.Error("the successor moved")
		}
	})
}

func TestScenario11_ProbeClosesAndEdgesComeInOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{Cooldown: 30 * second}, breaker.WithBus(bus))
		seen := watch(t, bus)
		open(t, b)
		time.Sleep(30*second - 1)
		wantRefused(t, b)
		time.Sleep(1)
		wantState(t, b, breaker.StateHalfOpen)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
		if got := edgesOf(*seen); got != "closed→open open→half-open half-open→closed " {
			t.Errorf("edges %s", got)
		}
		first := (*seen)[0]
		if first.Cause != "failure_threshold" || first.Evidence[0] != fault.Against("failures", 5, 5, "") || first.RetryAt.Sub(first.At) != 30*second {
			t.Errorf("first edge %+v", first)
		}
	})
}

func TestScenario13_BreakersDoNotInfluenceEachOther(t *testing.T) {
	a, b := mustNew(t, breaker.Config{}), mustNew(t, breaker.Config{})
	open(t, a)
	wantState(t, b, breaker.StateClosed)
	wantAdmitted(t, b)
}

func TestScenario14_AChainFailsFast(t *testing.T) {
	front, back := mustNew(t, breaker.Config{FailureThreshold: 3}), mustNew(t, breaker.Config{FailureThreshold: 2})
	reached := 0
	for range 10 {
		_ = front.Do(t.Context(), func(ctx context.Context) error {
			return back.Do(ctx, func(context.Context) error { reached++; return errDown })
		})
	}
	if reached != 2 {
		t.Errorf("the failing service was reached %d times", reached)
	}
	wantState(t, back, breaker.StateOpen)
	wantState(t, front, breaker.StateClosed) // refusals of another breaker are not its dependency's fault
}

func TestScenario17_NilOperation(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	before := b.Status()
	err := b.Do(t.Context(), nil)
	_, err2 := breaker.Do[int](t.Context(), b, nil)
	if !errors.Is(err, fault.InvalidArgument) || !errors.Is(err2, fault.InvalidArgument) || !reflect.DeepEqual(before, b.Status()) {
		t.Errorf("%v, %v", err, err2)
	}
}

func TestScenario18_ErrorPanicAndGoexitCountAlike(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":           func() { panic("boom") },
		"panic nil":       func() { panic(nil) }, //nolint:govet // a legal value of panic
		"panic an error":  func() { panic(errDown) },
		"panic a context": func() { panic(context.Canceled) },
		"goexit":          runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			b := mustNew(t, breaker.Config{FailureThreshold: 1})
			var done sync.WaitGroup
			done.Go(func() {
				defer func() { _ = recover() }()
				_ = b.Do(context.Background(), func(context.Context) error { end(); return nil })
			})
			done.Wait()
			wantState(t, b, breaker.StateOpen)
			if s := b.Status(); s.Totals.Failures != 1 || s.LastErrors[0].Class != "panic or goexit" {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestPanicGoesOnToTheCaller(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	defer func() {
		if got := recover(); got != "boom" {
			t.Errorf("recovered %v", got)
		}
	}()
	_ = b.Do(t.Context(), func(context.Context) error { panic("boom") })
}

func TestScenario22_TimeoutWrapsTheOperationsError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{CallTimeout: 2 * second})
		began := time.Now()
		err := b.Do(t.Context(), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if time.Since(began) != 2*second || !errors.Is(err, fault.CallTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if got := b.Status().Totals; got.Failures != 1 {
			t.Errorf("%+v", got)
		}
		if err := b.Do(t.Context(), func(context.Context) error { time.Sleep(3 * second); return nil }); err != nil {
			t.Errorf("a late success is a success: %v", err)
		}
	})
}

func TestCallersEarlierDeadlineIsTheirs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{CallTimeout: 2 * second})
		ctx, cancel := context.WithTimeout(t.Context(), second)
		defer cancel()
		err := b.Do(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if errors.Is(err, fault.CallTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// The timeout of an outer breaker is the outer one's, also in the eyes of the inner.
func TestNestedTimeoutsAreToldApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		outer, err := breaker.New("outer", breaker.Config{CallTimeout: second})
		if err != nil {
			t.Fatal(err)
		}
		inner := mustNew(t, breaker.Config{CallTimeout: time.Hour})
		var within error
		err = outer.Do(t.Context(), func(ctx context.Context) error {
			within = inner.Do(ctx, func(ctx context.Context) error {
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), fault.CallTimeout) {
					t.Errorf("the cause is %v", context.Cause(ctx))
				}
				return ctx.Err()
			})
			return within
		})
		if within != context.DeadlineExceeded { //nolint:errorlint // as it is
			t.Errorf("the inner breaker says %v", within)
		}
		if f, _ := errors.AsType[*fault.Error](err); f == nil || f.Code() != fault.CallTimeout || f.Name() != "outer" {
			t.Errorf("the outer breaker says %v", err)
		}
	})
}

func TestScenario24_FailureOfAgeWindowIsOut(t *testing.T) {
	for _, late := range []time.Duration{-1, 0, 1} {
		bubble(t, func(t *testing.T) {
			b := mustNew(t, breaker.Config{FailureThreshold: 2, Window: 10 * second})
			failures(b, 1)
			time.Sleep(10*second + late)
			failures(b, 1)
			want := breaker.StateClosed
			if late < 0 {
				want = breaker.StateOpen
			}
			wantState(t, b, want)
		})
	}
}

func TestScenario25_ForcedOpenHolds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		running := b.Allow()
		if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "ada", Reason: "maintenance", For: time.Hour}); err != nil {
			t.Fatal(err)
		}
		b.Reset("bob")
		time.Sleep(time.Minute)
		running.Success()
		for range 3 {
			wantRefused(t, b)
		}
		if o := b.Status().Override; o == nil || o.Actor != "ada" || o.Reason != "maintenance" || o.State != breaker.StateOpen {
			t.Errorf("override %+v", o)
		}
		if f := wantRefused(t, b); f.RetryAfter() != 59*time.Minute {
			t.Errorf("retry after %v", f.RetryAfter())
		}
		time.Sleep(59*time.Minute - 1)
		wantRefused(t, b)
		time.Sleep(1)
		wantState(t, b, breaker.StateClosed)
		wantAdmitted(t, b)
	})
}

func TestScenario25_ForcedOpenUntilReleased(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{})
		_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "ada"})
		time.Sleep(1000 * time.Hour)
		if f := wantRefused(t, b); !f.RetryAt().IsZero() {
			t.Errorf("nobody knows when, but retry at %v", f.RetryAt())
		}
		b.Automatic("bob")
		wantAdmitted(t, b)
	})
}

func TestScenario27_FailuresWhileOpenDoNotExtendTheCooldown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: 10 * second})
		late := []breaker.Permit{b.Allow(), b.Allow()}
		open(t, b)
		until := b.Status().RetryAt
		for i := range late {
			time.Sleep(3 * second)
			late[i].Failure(errDown)
		}
		if got := b.Status().RetryAt; got != until {
			t.Errorf("retry-at moved from %v to %v", until, got)
		}
		time.Sleep(4 * second)
		wantState(t, b, breaker.StateHalfOpen)
	})
}

func TestScenario28_OneProbeAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		open(t, b)
		time.Sleep(second)
		first, other := b.Allow(), b.Allow()
		if !first.OK() || other.OK() {
			t.Fatalf("admitted %v and %v", first.OK(), other.OK())
		}
		f, _ := errors.AsType[*fault.Error](other.Err())
		if f.Evidence()[0] != fault.Against("probes_in_flight", 1, 1, "") || f.RetryAfter() != second {
			t.Errorf("refused with %v", f)
		}
		first.Success()
		wantState(t, b, breaker.StateClosed)
	})
}

func TestScenario29_IgnoredCountsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{ConsecutiveFailures: 2, Cooldown: second})
		failures(b, 1)
		p := b.Allow()
		p.Ignore()
		failures(b, 1) // the ignored call did not interrupt the run
		wantState(t, b, breaker.StateOpen)
		time.Sleep(second)
		for range 3 {
			p = b.Allow()
			p.Ignore()
			wantState(t, b, breaker.StateHalfOpen)
		}
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

func TestScenario30_FailedProbesGrowTheCooldown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{
			FailureThreshold: 1, Cooldown: 10 * second, CooldownGrowth: 2, CooldownMax: 35 * second, ProbeSuccesses: 2,
		})
		failures(b, 1)
		for _, cooldown := range []time.Duration{10, 20, 35, 35} {
			time.Sleep(cooldown*second - 1)
			wantState(t, b, breaker.StateOpen)
			time.Sleep(1)
			failures(b, 1)
		}
		time.Sleep(35 * second)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateHalfOpen)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
		if c := b.Status().Counted[0]; c.Value != 0 {
			t.Errorf("counted %v after closing", c)
		}
	})
}

func TestCooldownForgetsGrowthAfterALastingRecovery(t *testing.T) {
	for stays, want := range map[time.Duration]time.Duration{9 * second: 20 * second, 10 * second: 10 * second} {
		bubble(t, func(t *testing.T) {
			b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: 10 * second, CooldownGrowth: 2})
			failures(b, 1)
			time.Sleep(10 * second)
			wantAdmitted(t, b)
			time.Sleep(stays)
			failures(b, 1)
			if got := time.Until(b.Status().RetryAt); got != want {
				t.Errorf("closed for %v: cooldown %v, want %v", stays, got, want)
			}
		})
	}
}

func TestJitterOnlyLengthens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: 10 * second, Jitter: 0.5})
		seen := map[time.Duration]bool{}
		for range 50 {
			failures(b, 1)
			cooldown := time.Until(b.Status().RetryAt)
			if cooldown < 10*second || cooldown >= 15*second {
				t.Fatalf("cooldown %v", cooldown)
			}
			seen[cooldown] = true
			b.Reset("test")
		}
		if len(seen) < 40 {
			t.Errorf("only %d different cooldowns of 50", len(seen))
		}
	})
}

func TestScenario31_AValueCanBeAFailure(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1})
	errGarbage := errors.New("garbage")
	v, err := breaker.Do(t.Context(), b, func(context.Context) (string, error) { return "garbage", errGarbage })
	if v != "garbage" || err != errGarbage { //nolint:errorlint // as it is
		t.Errorf("got %q, %v", v, err)
	}
	wantState(t, b, breaker.StateOpen)
}

func TestScenario32_InjectedRefusals(t *testing.T) {
	bus := telemetry.NewBus()
	b := mustNew(t, breaker.Config{}, breaker.WithBus(bus))
	marked := 0
	_, _ = telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallRejected) {
		if e.Injected {
			marked++
		}
	})
	for _, share := range []float64{1, 0.25, 0} {
		if err := b.InjectRefusals(share); err != nil {
			t.Fatal(err)
		}
		marked = 0
		refused := 0
		for range 1000 {
			if err := b.Do(t.Context(), succeed); err != nil {
				refused++
			}
		}
		if want := int(share * 1000); refused < want-2 || refused > want+2 || marked != refused {
			t.Errorf("share %v: %d refused, %d marked", share, refused, marked)
		}
	}
	_ = b.InjectRefusals(1)
	if f := wantRefused(t, b); f.Evidence()[0].Name != "injected" {
		t.Errorf("not marked: %v", f)
	}
	if err := b.InjectRefusals(1.5); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("share 1.5: %v", err)
	}
	wantState(t, b, breaker.StateClosed)
}

func TestScenario33a_LostProbesDoNotWedge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, ProbeLease: 5 * second})
		open(t, b)
		time.Sleep(second)
		lost := b.Allow()
		time.Sleep(5*second - 1)
		wantRefused(t, b)
		time.Sleep(1)
		lost.Failure(errDown) // too late: refused, its place is given to others
		wantState(t, b, breaker.StateHalfOpen)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

func TestScenario33b_LateResultsOfEarlierGenerationsAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, ProbeSuccesses: 2, Probes: 1})
		early, late := b.Allow(), b.Allow()
		open(t, b)
		time.Sleep(second)
		probe := b.Allow()
		early.Success()
		wantState(t, b, breaker.StateHalfOpen)
		wantRefused(t, b) // no place was freed
		late.Failure(errDown)
		wantState(t, b, breaker.StateHalfOpen)
		probe.Success()
		if s := b.Status(); s.ProbeSuccesses != 1 || s.ProbesInFlight != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestScenario33c_CallersCancellationsAreNeutral(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1})
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_ = b.Do(ctx, func(ctx context.Context) error { cancel(); return fmt.Errorf("query: %w", ctx.Err()) })
	}
	wantState(t, b, breaker.StateClosed)
	if got := b.Status().Totals.Ignored; got != 3 {
		t.Errorf("%d ignored", got)
	}
	// Canceled by somebody else than the caller: the dependency's own doing.
	_ = b.Do(t.Context(), func(context.Context) error { return context.Canceled })
	wantState(t, b, breaker.StateOpen)
}

func TestContextDoneAtEntryTakesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		open(t, b)
		time.Sleep(second)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := b.Do(ctx, func(context.Context) error { t.Error("ran"); return nil })
		if !errors.Is(err, fault.Canceled) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		wantAdmitted(t, b) // the probe's place was not taken
	})
}

func TestScenario33d_ReadingChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second}, breaker.WithBus(bus))
		seen := watch(t, bus)
		open(t, b)
		time.Sleep(2 * second)
		before := b.Status()
		for range 1000 {
			wantState(t, b, breaker.StateHalfOpen)
			if s := b.Status(); !reflect.DeepEqual(s, before) {
				t.Fatalf("%+v became %+v", before, s)
			}
			b.Collect(func(telemetry.Sample) {})
		}
		if len(*seen) != 1 || before.Generation != 1 {
			t.Errorf("events %v", *seen)
		}
	})
}

func TestScenario20_FaultyConfigurationsNameTheirFields(t *testing.T) {
	nan := 0.0
	nan /= nan
	for field, cfg := range map[string]breaker.Config{
		"failure_threshold":    {FailureThreshold: -1},
		"window":               {Window: -second},
		"failure_ratio":        {FailureRatio: nan},
		"slow_ratio":           {SlowRatio: 1.1, SlowAfter: 1},
		"slow_after":           {SlowRatio: 0.5},
		"min_calls":            {FailureRatio: 0.5, MinCalls: -1},
		"consecutive_failures": {ConsecutiveFailures: -1},
		"cooldown":             {Cooldown: -1},
		"cooldown_growth":      {CooldownGrowth: 0.5},
		"cooldown_max":         {Cooldown: time.Minute, CooldownMax: second},
		"jitter":               {Jitter: nan},
		"probes":               {Probes: 1001},
		"probe_successes":      {ProbeSuccesses: -1},
		"probe_lease":          {ProbeLease: 1},
		"ramp":                 {Ramp: -1},
		"call_timeout":         {CallTimeout: -1},
		"mode":                 {Mode: 7},
	} {
		_, err := breaker.New("payments", cfg)
		f, _ := errors.AsType[*fault.Error](err)
		if !errors.Is(err, fault.InvalidConfig) || len(f.Problems()) != 1 || f.Problems()[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, name := range []string{"", strings.Repeat("x", 129), "a\x00b", "\xff"} {
		if _, err := breaker.New(name, breaker.Config{}); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "name") {
			t.Errorf("name %q: %v", name, err)
		}
	}
	_, err := breaker.New("", breaker.Config{Window: -1, Cooldown: -1, Probes: -1, FailureRatio: 2})
	if f, _ := errors.AsType[*fault.Error](err); len(f.Problems()) != 5 {
		t.Errorf("not every fault at once: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	for field, cfg := range map[string]breaker.Config{
		"slow_after":    {SlowAfter: second},
		"min_calls":     {MinCalls: 5},
		"cooldown_max":  {CooldownMax: time.Hour},
		"failure_ratio": {FailureThreshold: 5, FailureRatio: 0.5, MinCalls: 20},
		"probe_lease":   {CallTimeout: time.Minute, ProbeLease: second},
	} {
		ws := cfg.Warnings()
		if len(ws) != 1 || ws[0].Field != field || !ws[0].Warning || cfg.Validate() != nil {
			t.Errorf("%s: %v, %v", field, ws, cfg.Validate())
		}
	}
	for _, never := range []breaker.Config{
		{FailureRatio: 0.5, MinCalls: 100_000, Window: time.Millisecond},
		{SlowRatio: 0.5, SlowAfter: time.Minute, CallTimeout: second},
	} {
		if len(never.Warnings()) != 1 {
			t.Errorf("%+v: %v", never, never.Warnings())
		}
	}
	if ws := (breaker.Config{FailureThreshold: 11, FailureRatio: 0.5, MinCalls: 20}).Warnings(); len(ws) != 0 {
		t.Errorf("good advice for a good config: %v", ws)
	}
}

// What a valid configuration becomes must be valid too, at the bounds as well: it
// is what Status shows, and may come back to Reconfigure.
func TestDefaultsAtTheBoundsAreValid(t *testing.T) {
	for name, cfg := range map[string]breaker.Config{
		"zero":                 {},
		"longest cooldown":     {Cooldown: 24 * time.Hour},
		"cooldown at its most": {Cooldown: time.Minute, CooldownMax: time.Minute, CooldownGrowth: 2},
		"longest call":         {CallTimeout: 24 * time.Hour},
	} {
		full := mustNew(t, cfg).Status().Config
		if err := full.Validate(); err != nil || !reflect.DeepEqual(full, mustNew(t, full).Status().Config) {
			t.Errorf("%s: %v", name, err)
		}
	}
	exact := breaker.Config{ProbeLease: time.Minute, CallTimeout: time.Minute}
	if got := exact.Warnings(); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
