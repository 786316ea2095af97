package breaker_test

import (
	"context"
	"fmt"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// calls makes one call for each letter: s succeeds, f fails, S and F take a
// second longer than a slow call must.
func calls(b *breaker.Breaker, pattern string) {
	for _, c := range pattern {
		_ = b.Do(context.Background(), func(context.Context) error {
			if c == 'S' || c == 'F' {
				time.Sleep(b.Status().Config.SlowAfter)
			}
			if c == 'f' || c == 'F' {
				return errDown
			}
			return nil
		})
	}
}

func TestRatioNeedsItsMinimumAndAFailure(t *testing.T) {
	cfg := breaker.Config{FailureRatio: 0.3, MinCalls: 10}
	for pattern, want := range map[string]breaker.State{
		"fffffffff":      breaker.StateClosed, // nine calls are too few
		"ffffffffff":     breaker.StateOpen,
		"sssssssfff":     breaker.StateOpen, // exactly three of ten
		"ssssssssff":     breaker.StateClosed,
		"fffssssssss":    breaker.StateClosed, // a success never opens
		"fffssssssssf":   breaker.StateOpen,   // 4 of 12
		"sssssssssssfff": breaker.StateClosed,
	} {
		b := mustNew(t, cfg)
		calls(b, pattern)
		if b.State() != want {
			t.Errorf("%s: %v", pattern, b.State())
		}
	}
}

func TestRatioWindowForgetsWithinItsPrecision(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const window = 10 * second
		b := mustNew(t, breaker.Config{FailureRatio: 1, MinCalls: 2, Window: window})
		for age := range 200 {
			b.Reset("test")
			failures(b, 1)
			d := window * time.Duration(age) / 100
			time.Sleep(d)
			failures(b, 1)
			switch {
			case d < window*31/32:
				wantState(t, b, breaker.StateOpen)
			case d >= window:
				wantState(t, b, breaker.StateClosed)
			}
		}
	})
}

func TestSlowCallsTrip(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{SlowRatio: 0.5, SlowAfter: second, MinCalls: 4, Window: time.Minute, Cooldown: second})
		calls(b, "ssS")
		wantState(t, b, breaker.StateClosed)
		calls(b, "S") // also a success opens if it is slow
		wantState(t, b, breaker.StateOpen)
		if s := b.Status(); s.OpenedBy[0] != fault.Against("slow_ratio", 0.5, 0.5, "ratio") || s.OpenedBy[1] != fault.Against("calls", 4, 4, "") {
			t.Errorf("opened by %v", s.OpenedBy)
		}
		time.Sleep(second)
		calls(b, "S")
		wantState(t, b, breaker.StateOpen) // a slow probe has not recovered
		time.Sleep(second)
		calls(b, "s")
		wantState(t, b, breaker.StateClosed)
	})
}

func TestSlowAfterIsInclusive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{SlowRatio: 1, SlowAfter: second, MinCalls: 1})
		_ = b.Do(t.Context(), func(context.Context) error { time.Sleep(second - 1); return nil })
		wantState(t, b, breaker.StateClosed)
		b.Reset("test")
		calls(b, "S")
		wantState(t, b, breaker.StateOpen)
	})
}

func TestConsecutiveFailuresIgnoreTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{ConsecutiveFailures: 3})
		for _, pattern := range []string{"ffs", "ff"} {
			calls(b, pattern)
			time.Sleep(24 * time.Hour)
		}
		wantState(t, b, breaker.StateClosed)
		calls(b, "f")
		wantState(t, b, breaker.StateOpen)
		if b.Status().OpenedBy[0] != fault.Against("consecutive_failures", 3, 3, "") {
			t.Errorf("opened by %v", b.Status().OpenedBy)
		}
	})
}

func TestRulesTogetherTripOnAny(t *testing.T) {
	bubble(t, func(t *testing.T) {
		cfg := breaker.Config{
			FailureThreshold: 6, ConsecutiveFailures: 3, FailureRatio: 0.75, SlowRatio: 0.5, SlowAfter: second,
			MinCalls: 4, Window: time.Hour,
		}
		for pattern, cause := range map[string]string{
			"fff":            "consecutive_failures",
			"ffsff":          "failure_ratio", // 4 of 5
			"sfsfsfsfsfsf":   "failures",
			"sSsS":           "slow_ratio",
			"sssffssffssf s": "",
		} {
			b := mustNew(t, cfg)
			calls(b, pattern)
			if (b.State() == breaker.StateOpen) != (cause != "") {
				t.Errorf("%s: %v", pattern, b.Status().Counted)
			}
		}
	})
}

func TestRampAdmitsARisingShare(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Ramp: 100 * second})
		open(t, b)
		time.Sleep(second)
		wantAdmitted(t, b)
		for tenth := range 10 {
			admitted := 0
			for range 200 {
				if b.Do(t.Context(), succeed) == nil {
					admitted++
				}
			}
			want := 200 * (0.1 + 0.9*float64(tenth)/10)
			if s := b.Status(); !s.Ramping || s.State != breaker.StateClosed || float64(admitted) < want-3 || float64(admitted) > want+3 {
				t.Errorf("after %d0 s: %d of 200 admitted, want %v", tenth, admitted, want)
			}
			time.Sleep(10 * second)
		}
		for range 200 {
			wantAdmitted(t, b)
		}
		if b.Status().Ramping {
			t.Error("still ramping")
		}
	})
}

func TestFailureDuringTheRampOpensAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, CooldownGrowth: 3, Ramp: 100 * second})
		open(t, b)
		time.Sleep(second)
		wantAdmitted(t, b)
		for b.State() == breaker.StateClosed {
			failures(b, 1)
		}
		if got := time.Until(b.Status().RetryAt); got != 3*second {
			t.Errorf("cooldown %v", got)
		}
	})
}

func TestSeveralProbesAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Probes: 3, ProbeSuccesses: 3})
		open(t, b)
		time.Sleep(second)
		var probes []breaker.Permit
		for range 3 {
			probes = append(probes, b.Allow())
		}
		wantRefused(t, b)
		for i := range probes {
			wantState(t, b, breaker.StateHalfOpen)
			probes[i].Success()
			probes[i].Success() // only the first counts
			probes[i].Failure(nil)
		}
		wantState(t, b, breaker.StateClosed)
	})
}

func TestACopiedPermitOfAProbeCountsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Probes: 1, ProbeSuccesses: 2})
		open(t, b)
		time.Sleep(second)
		p := b.Allow()
		twin := p
		p.Success()
		twin.Success()
		if s := b.Status(); s.ProbeSuccesses != 1 || s.ProbesInFlight != 0 || s.State != breaker.StateHalfOpen {
			t.Errorf("%+v", s)
		}
	})
}

func TestZeroPermitIsRefused(t *testing.T) {
	var p breaker.Permit
	p.Success()
	p.Failure(nil)
	if p.OK() || p.Err() != nil || p.WouldRefuse() {
		t.Errorf("%+v", p)
	}
}

func TestShadowCountsAndRefusesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 2, Cooldown: 10 * second, Mode: mode.Shadow})
		failures(b, 2)
		wantState(t, b, breaker.StateOpen)
		p := b.Allow()
		if !p.OK() || !p.WouldRefuse() || p.Err() != nil {
			t.Fatalf("%+v", p)
		}
		p.Success()
		failures(b, 5) // would have been refused: the machine must not learn of them
		wantState(t, b, breaker.StateOpen)
		time.Sleep(10 * second)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
		if got := (breaker.Counts{Successes: 2, Failures: 7, WouldReject: 6}); b.Status().Totals != got {
			t.Errorf("%+v", b.Status().Totals)
		}
	})
}

func TestOffDoesNothing(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1, Mode: mode.Off})
	failures(b, 10)
	wantState(t, b, breaker.StateClosed)
	wantAdmitted(t, b)
	if got := b.Status().Totals; got.Failures != 10 || got.Successes != 1 || got.Rejected != 0 {
		t.Errorf("%+v", got)
	}
}

func TestRefusalsOfOthersAreIgnored(t *testing.T) {
	for _, code := range fault.Codes() {
		b := mustNew(t, breaker.Config{FailureThreshold: 1})
		_ = b.Do(t.Context(), func(context.Context) error {
			return fmt.Errorf("call: %w", fault.New(fault.Spec{Code: code}))
		})
		want := breaker.StateOpen
		if code.Refusal() && code != fault.WorkerFailed {
			want = breaker.StateClosed
		}
		if b.State() != want {
			t.Errorf("%v: %v", code, b.State())
		}
	}
}

func TestClassifierReplacesTheJudgement(t *testing.T) {
	cfg := breaker.Config{FailureThreshold: 1}
	cfg.Classify = func(err error) outcome.Outcome {
		if err == nil {
			return outcome.Failure
		}
		return outcome.Success
	}
	for name, b := range map[string]*breaker.Breaker{
		"new": mustNew(t, cfg), "reconfigured": mustNew(t, breaker.Config{FailureThreshold: 1}),
	} {
		if err := b.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		if b.Status().Revision != 2 {
			t.Errorf("%s: a function was taken for the same: revision %d", name, b.Status().Revision)
		}
		failures(b, 3)
		wantState(t, b, breaker.StateClosed)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateOpen)
	}
}

func TestLastErrorsAreClassesNeverMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 100})
		secret := &url.Error{Op: "GET", URL: "http://user:password@host", Err: context.DeadlineExceeded}
		for _, err := range []error{errDown, secret, secret, fault.CallTimeout, fault.New(fault.Spec{Code: fault.WorkerFailed}), nil} {
			p := b.Allow()
			p.Failure(err)
			time.Sleep(second)
		}
		var got []string
		for _, c := range b.Status().LastErrors {
			got = append(got, fmt.Sprintf("%s ×%d", c.Class, c.Count))
		}
		want := []string{"unspecified ×1", "worker_failed ×1", "fault.Code ×1", "timeout ×2", "*errors.errorString ×1"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q", got)
		}
	})
}

func TestErrorClassesAreBounded(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 100})
	for _, code := range fault.Codes() {
		p := b.Allow()
		p.Failure(fault.New(fault.Spec{Code: code}))
	}
	codes := fault.Codes()
	if got := b.Status().LastErrors; len(got) != 8 || got[0].Class != codes[len(codes)-1].String() || got[7].Class != codes[len(codes)-8].String() {
		t.Errorf("%v", got)
	}
}

func TestOnlyEnforcementEndsCallsByTimeout(t *testing.T) {
	for how, want := range map[mode.Mode]bool{mode.Enforce: true, mode.Shadow: false, mode.Off: false} {
		b := mustNew(t, breaker.Config{CallTimeout: time.Hour, Mode: how})
		_ = b.Do(t.Context(), func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); bounded != want {
				t.Errorf("%v: bounded is %v", how, bounded)
			}
			return nil
		})
	}
}

func TestEveryLostProbeFreesItsPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Probes: 3, ProbeLease: 2 * second})
		open(t, b)
		time.Sleep(second)
		b.Allow()
		time.Sleep(second)
		b.Allow()
		b.Allow()
		if f := wantRefused(t, b); f.RetryAfter() != second {
			t.Errorf("retry in %v", f.RetryAfter())
		}
		time.Sleep(second)
		if p := b.Allow(); !p.OK() {
			t.Error("the first place is not free at the end of its lease")
		}
		time.Sleep(time.Hour)
		for range 3 {
			if p := b.Allow(); !p.OK() {
				t.Error("a lost probe keeps its place")
			}
		}
	})
}

func TestABusyBreakerTellsNoLaterTimeThanTheEndOfALease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Minute, ProbeLease: second})
		open(t, b)
		time.Sleep(time.Minute)
		b.Allow()
		if f := wantRefused(t, b); f.RetryAfter() != second {
			t.Errorf("retry in %v", f.RetryAfter())
		}
	})
}

func TestARampBeginsWithATenth(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Ramp: time.Hour})
		open(t, b)
		time.Sleep(second)
		wantAdmitted(t, b)
		n := 0
		for range 1000 {
			if p := b.Allow(); p.OK() {
				n++
			}
		}
		if n < 97 || n > 103 {
			t.Errorf("%d of 1000", n)
		}
	})
}

func TestSlowFailuresAreSlowToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{SlowRatio: 1, SlowAfter: second, MinCalls: 2})
		for range 2 {
			wantState(t, b, breaker.StateClosed)
			p := b.Allow()
			time.Sleep(second)
			p.Failure(errDown)
		}
		wantState(t, b, breaker.StateOpen)
	})
}

func TestOnlyFailuresAreRememberedByTheirKind(t *testing.T) {
	b := mustNew(t, breaker.Config{ConsecutiveFailures: 3})
	failures(b, 1)
	wantAdmitted(t, b) // under the lock: it ends a run
	if got := b.Status().LastErrors; len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// A slow success is no occasion for the ratio of failures to decide.
func TestSlowSuccessesDoNotTripTheFailureRatio(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureRatio: 0.5, SlowRatio: 1, SlowAfter: second, MinCalls: 3})
		failures(b, 2)
		p := b.Allow()
		time.Sleep(second)
		p.Success()
		wantState(t, b, breaker.StateClosed)
	})
}
