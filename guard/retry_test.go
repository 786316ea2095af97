package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
	"github.com/elixirscope/foundation/telemetry"
)

// prompt is a policy whose waits take no time to speak of.
func prompt() *retry.Config {
	return &retry.Config{Backoff: time.Nanosecond, BackoffMax: time.Nanosecond}
}

var twice = guard.Call{Idempotent: true}

// inTurn returns a function that ends with the given errors in turn, and then well.
func inTurn(runs *int, errs ...error) func(context.Context) error {
	return func(context.Context) error {
		*runs++
		if *runs <= len(errs) {
			return errs[*runs-1]
		}
		return nil
	}
}

func TestRetry_EachAttemptHasItsPermitAndTheCallIsRecordedOnce(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 100})
	limit, rec := newLimit(t, 10), &recorder{}
	g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b, RateLimit: limit, Concurrency: 1, Timeout: time.Hour, Recorder: rec})
	runs := 0
	if err := g.DoCall(t.Context(), twice, inTurn(&runs, errDown, errDown)); err != nil || runs != 3 {
		t.Fatalf("%v after %d runs", err, runs)
	}
	if c := b.Status().Totals; c.Failures != 2 || c.Successes != 1 {
		t.Errorf("the breaker counts %+v", c)
	}
	s := g.Status()
	if s.Results[guard.Succeeded] != 1 || s.Results[guard.Failed] != 0 || s.InFlight != 0 || s.SlotsTaken != 0 {
		t.Errorf("status %+v", s)
	}
	if left := limit.Peek(ratelimit.Key{}).Remaining; left != 9 {
		t.Errorf("%d of 10 tokens are left", left)
	}
	if len(rec.all) != 1 || rec.all[0].Result != guard.Succeeded || rec.all[0].Attempts != 3 {
		t.Errorf("recorded %+v", rec.all)
	}
	if s.Retries.Retried[retry.Failed] != 2 || len(s.Retries.Budgets) != 1 || s.Retries.Budgets[0].Retries != 2 || s.Retries.Left() != 8 {
		t.Errorf("retries %+v", s.Retries)
	}
}

func TestRetry_OnlyWhatMayBeMadeTwice(t *testing.T) {
	g := newGuard(t, guard.Config{Retry: prompt()})
	for name, do := range map[string]func(fn func(context.Context) error) error{
		"Do":         func(fn func(context.Context) error) error { return g.Do(t.Context(), fn) },
		"DoDetached": func(fn func(context.Context) error) error { return detachedErr(t, g, fn) },
	} {
		runs := 0
		if err := do(inTurn(&runs, errDown)); runs != 1 || err != errDown { //nolint:errorlint // as it is
			t.Errorf("%s: %v after %d runs", name, err, runs)
		}
	}
	if s := g.Status().Retries; s.Stopped[retry.NotIdempotent] != 1 {
		t.Errorf("stopped %v", s.Stopped)
	}
}

func detachedErr(t *testing.T, g *guard.Guard, fn func(context.Context) error) error {
	t.Helper()
	_, err := guard.DoDetached(t.Context(), g, twice, func(ctx context.Context) (int, error) { return 0, fn(ctx) })
	return err
}

func TestRetry_OnlyAGuardThatEnforcesRetries(t *testing.T) {
	for _, m := range []mode.Mode{mode.Shadow, mode.Off} {
		g := newGuard(t, guard.Config{Retry: prompt(), Mode: m})
		runs := 0
		if err := g.DoCall(t.Context(), twice, inTurn(&runs, errDown)); runs != 1 || !errors.Is(err, errDown) {
			t.Errorf("%v: %v after %d runs", m, err, runs)
		}
	}
}

func TestRetry_WhatIsTriedAgain(t *testing.T) {
	full := fault.New(fault.Spec{Code: fault.PoolFull, Component: "connection_pool"})
	gone := fault.New(fault.Spec{Code: fault.NotFound, Component: "guard"})
	for name, tc := range map[string]struct {
		outcomes []retry.Cause
		err      error
		runs     int
		result   guard.Result
		final    bool
	}{
		"a failure":                        {err: errDown, runs: 3, result: guard.Failed, final: true},
		"a neutral error":                  {err: guard.Neutral(errDown), runs: 1, result: guard.Indifferent},
		"a refusal further in":             {err: full, runs: 1, result: guard.Indifferent},
		"one that is listed":               {outcomes: retry.Causes(), err: full, runs: 3, result: guard.Indifferent, final: true},
		"one that no later call will pass": {outcomes: retry.Causes(), err: gone, runs: 1, result: guard.Indifferent},
		"what was retried further in":      {err: retry.Final(errDown), runs: 1, result: guard.Failed, final: true},
		"an unlisted failure":              {outcomes: []retry.Cause{retry.TimedOut}, err: errDown, runs: 1, result: guard.Failed},
	} {
		policy := prompt()
		policy.Outcomes = tc.outcomes
		g := newGuard(t, guard.Config{Retry: policy})
		runs := 0
		err := g.DoCall(t.Context(), twice, inTurn(&runs, tc.err, tc.err, tc.err, tc.err))
		if runs != tc.runs || !errors.Is(err, tc.err) || retry.IsFinal(err) != tc.final || g.Status().Results[tc.result] != 1 {
			t.Errorf("%s: %v (final %v) after %d runs, results %v", name, err, retry.IsFinal(err), runs, g.Status().Results)
		}
	}
}

func TestRetry_TheLastErrorIsTheDependencys(t *testing.T) {
	last := fmt.Errorf("the third: %w", io.ErrUnexpectedEOF)
	b := newBreaker(t, breaker.Config{FailureThreshold: 100})
	g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b})
	runs := 0
	err := g.DoCall(t.Context(), twice, inTurn(&runs, errDown, errDown, last))
	if !errors.Is(err, last) || err.Error() != last.Error() || errors.Is(err, errDown) {
		t.Errorf("error %v", err)
	}
	runs = 0
	outer := newGuard(t, guard.Config{Retry: prompt()})
	err = outer.DoCall(t.Context(), twice, func(ctx context.Context) error { return g.DoCall(ctx, twice, inTurn(&runs, errDown, errDown, last)) })
	if runs != 3 || !errors.Is(err, last) {
		t.Errorf("through two guards: %d runs, %v", runs, err)
	}
}

func TestRetry_AnOpenCircuitEndsTheAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, breaker.Config{FailureThreshold: 2, Cooldown: time.Hour})
		g := newGuard(t, guard.Config{Breaker: b, Retry: &retry.Config{Attempts: 10, Backoff: time.Hour, BackoffMax: time.Hour}})
		runs := 0
		_ = b.Do(t.Context(), fail)
		began := time.Now()
		err := g.DoCall(t.Context(), twice, inTurn(&runs, errDown, errDown, errDown))
		if runs != 1 || !errors.Is(err, errDown) || errors.Is(err, fault.CircuitOpen) || !retry.IsFinal(err) || time.Since(began) != 0 {
			t.Errorf("%d runs in %v: %v", runs, time.Since(began), err)
		}
		s := g.Status()
		if s.Results[guard.Failed] != 1 || s.Retries.Stopped[retry.CircuitOpen] != 1 || s.Retries.Budgets[0].Retries != 0 {
			t.Errorf("results %v, retries %+v", s.Results, s.Retries)
		}
	})
}

func TestRetry_ARefusedAttemptGivesBackWhatItTook(t *testing.T) {
	for name, count := range map[string]bool{"a token for the call": false, "a token for each attempt": true} {
		synctest.Test(t, func(t *testing.T) {
			st, limit := newStage(), newLimit(t, 10)
			b := newBreaker(t, breaker.Config{FailureThreshold: 100})
			policy := prompt()
			policy.CountAttempts, policy.Attempts = count, 5
			rec := &recorder{}
			db := must(guard.Bind[*conn](newGuard(t, guard.Config{Retry: policy, Pool: st, RateLimit: limit, Breaker: b, Concurrency: 1, Recorder: rec})))
			runs := 0
			_, err := guard.DoWith(t.Context(), db, twice, func(context.Context, *conn) (int, error) {
				if runs++; runs == 2 {
					st.says(refuseWith(fault.PoolFull))
				}
				return runs, errDown
			})
			used := map[bool]int64{false: 1, true: 2}[count]
			if left := limit.Peek(ratelimit.Key{}).Remaining; runs != 2 || !errors.Is(err, errDown) || left != 10-used || st.out() != 0 {
				t.Errorf("%s: %d runs, %v, %d tokens left, %d workers out", name, runs, err, left, st.out())
			}
			g := db.Guard()
			if s := g.Status(); s.SlotsTaken != 0 || s.InFlight != 0 || s.Retries.Stopped[retry.AttemptRefused] != 1 || s.Retries.Budgets[0].Retries != 1 {
				t.Errorf("%s: %+v", name, s)
			}
			if c := b.Status().Totals; c.Failures != 2 || st.suspects != 2 {
				t.Errorf("%s: the breaker counts %+v, %d suspects", name, c, st.suspects)
			}
			if len(rec.all) != 1 || rec.all[0].Attempts != 2 || rec.all[0].Result != guard.Failed {
				t.Errorf("%s: recorded %+v", name, rec.all)
			}
		})
	}
}

func TestRetry_FailedAttemptsThatCountAreRefunded(t *testing.T) {
	for _, count := range []bool{false, true} {
		policy := prompt()
		policy.CountAttempts = count
		limit := newLimit(t, 10)
		g := newGuard(t, guard.Config{Retry: policy, RateLimit: limit, RefundOnFailure: true})
		_ = g.DoCall(t.Context(), twice, fail)
		if left := limit.Peek(ratelimit.Key{}).Remaining; left != 10 {
			t.Errorf("attempts count %v: after a failure %d of 10 tokens are left", count, left)
		}
		runs := 0
		_ = g.DoCall(t.Context(), twice, inTurn(&runs, errDown))
		if left := limit.Peek(ratelimit.Key{}).Remaining; left != 9 {
			t.Errorf("attempts count %v: after a success %d of 10 tokens are left", count, left)
		}
	}
}

func TestRetry_EachAttemptHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.AttemptTimeout, policy.Attempts = time.Second, 10
		b := newBreaker(t, breaker.Config{FailureThreshold: 100})
		g := newGuard(t, guard.Config{Retry: policy, Timeout: 2500 * time.Millisecond, Breaker: b})
		runs, began := 0, time.Now()
		hang := func(ctx context.Context) error { runs++; <-ctx.Done(); return ctx.Err() }
		err := g.DoCall(t.Context(), twice, hang)
		if took := time.Since(began).Round(time.Millisecond); runs != 3 || took != 2500*time.Millisecond || !errors.Is(err, fault.CallTimeout) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d runs in %v: %v", runs, took, err)
		}
		if s := g.Status(); s.Retries.Retried[retry.TimedOut] != 2 || s.Retries.Stopped[retry.OutOfTime] != 1 || s.Results[guard.TimedOut] != 1 || b.Status().Totals.Failures != 3 {
			t.Errorf("%+v, the breaker %+v", s, b.Status().Totals)
		}
		runs, began = 0, time.Now()
		if err = g.Do(t.Context(), hang); runs != 1 || time.Since(began) != 2500*time.Millisecond {
			t.Errorf("a call that may not be made twice: %d runs in %v, %v", runs, time.Since(began), err)
		}
	})
}

func TestRetry_AnAttemptThatRunsOutOfTimeSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.AttemptTimeout, policy.Attempts = time.Second, 2
		g := newGuard(t, guard.Config{Retry: policy})
		err := g.DoCall(t.Context(), twice, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.CallTimeout || f.Evidence()[0].Value != 1 || f.Evidence()[0].Limit != 1 {
			t.Errorf("error %v", err)
		}
	})
}

func TestRetry_NoAttemptThatTheDeadlineCannotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, tc := range map[string]struct {
			timeout, callers, takes time.Duration
			runs                    int
		}{
			"the guard's limit":              {timeout: 5 * time.Second, takes: 2 * time.Second, runs: 3},
			"the caller's":                   {callers: 5 * time.Second, takes: 2 * time.Second, runs: 3},
			"less than such an end needs":    {timeout: 2100 * time.Millisecond, takes: 2 * time.Second, runs: 1},
			"a quick failure needs no more":  {timeout: 10 * time.Second, takes: time.Microsecond, runs: 5},
			"the earlier of the two decides": {timeout: 3 * time.Second, callers: time.Hour, takes: 2 * time.Second, runs: 2},
		} {
			policy := prompt()
			policy.Attempts = 5
			g := newGuard(t, guard.Config{Retry: policy, Timeout: tc.timeout})
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if tc.callers > 0 {
				ctx, cancel = context.WithTimeout(t.Context(), tc.callers)
			}
			runs := 0
			err := g.DoCall(ctx, twice, func(context.Context) error { runs++; time.Sleep(tc.takes); return errDown })
			cancel()
			if runs != tc.runs || !errors.Is(err, errDown) {
				t.Errorf("%s: %d runs, want %d: %v", name, runs, tc.runs, err)
			}
		}
	})
}

func TestRetry_TheWaitsAreRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := 0.5
		policy := &retry.Config{Backoff: 100 * time.Millisecond}
		g := newGuard(t, guard.Config{Retry: policy}, guard.WithRandom(nil), guard.WithRandom(func() float64 { defer func() { next /= 2 }(); return next }))
		began := time.Now()
		_ = g.DoCall(t.Context(), twice, fail)
		if waited := time.Since(began); waited != 100*time.Millisecond {
			t.Errorf("waited %v, want half of 100 ms and a quarter of 200 ms", waited)
		}
	})
}

func TestRetry_ACallerThatLeavesEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := &recorder{}
		g := newGuard(t, guard.Config{Retry: &retry.Config{RetryAfterMax: time.Hour}, Concurrency: 1, Recorder: rec})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		runs, began := 0, time.Now()
		err := g.DoCall(ctx, twice, inTurn(&runs, retry.After(errDown, time.Minute)))
		if runs != 1 || time.Since(began) != time.Second || !errors.Is(err, errDown) || retry.IsFinal(err) {
			t.Errorf("%d runs in %v: %v", runs, time.Since(began), err)
		}
		s := g.Status()
		if s.SlotsTaken != 0 || s.InFlight != 0 || s.Retries.Stopped[retry.Canceled] != 1 || s.Retries.Budgets[0].Retries != 0 || len(rec.all) != 1 || rec.all[0].Duration != time.Second {
			t.Errorf("status %+v, recorded %+v", s, rec.all)
		}
	})
}

func TestRetry_WaitsAsLongAsWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Retry: prompt()})
		runs, began := 0, time.Now()
		if err := g.DoCall(t.Context(), twice, inTurn(&runs, retry.After(errDown, 3*time.Second))); err != nil || time.Since(began).Round(time.Millisecond) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		runs = 0
		if err := g.DoCall(t.Context(), twice, inTurn(&runs, retry.After(errDown, 11*time.Second))); !errors.Is(err, errDown) || runs != 1 {
			t.Errorf("%v after %d runs", err, runs)
		}
	})
}

// A dependency that is dead sees what its budget allows, and its neighbour's calls under
// the same guard add nothing to it.
func TestRetry_ABudgetForEachTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Retry: prompt()})
		runs := map[string]int{}
		const seconds, dead, healthy = 60, 10, 100 // calls per second
		for range seconds {
			for i := range healthy {
				target := "healthy"
				if i%(healthy/dead) == 0 {
					target = "dead"
				}
				_ = g.DoCall(t.Context(), guard.Call{Idempotent: true, Target: target}, func(context.Context) error {
					runs[target]++
					if target == "dead" {
						return errDown
					}
					return nil
				})
				time.Sleep(time.Second / healthy)
			}
		}
		if most := seconds*dead*12/10 + seconds + 10; runs["dead"] > most || runs["dead"] < seconds*dead || runs["healthy"] != seconds*(healthy-dead) {
			t.Errorf("runs %v, want at most %d to the dead target", runs, most)
		}
		s := g.Status().Retries
		if len(s.Budgets) != 3 || s.Budgets[1].Target != "dead" || s.Budgets[2].Retries != 0 || s.Left() != s.Budgets[1].Left || s.Stopped[retry.OutOfBudget] == 0 {
			t.Errorf("retries %+v", s)
		}
	})
}

func TestRetry_TargetsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Retry: prompt()})
		call := func(i int) {
			_ = g.DoCall(t.Context(), guard.Call{Idempotent: true, Target: fmt.Sprint("host-", i)}, succeed)
		}
		for i := range 2000 {
			call(i)
		}
		all := g.Status().Retries.Budgets
		if last := all[len(all)-1]; len(all) != 1+1024+1 || last.Target != "(overflow)" || last.First != 2000-1024 {
			t.Errorf("%d budgets, the last is %+v", len(all), last)
		}
		time.Sleep(time.Minute)
		for i := range 10 {
			call(5000 + i)
		}
		if all = g.Status().Retries.Budgets; len(all) != 11 {
			t.Errorf("after a minute there are %d budgets: idle targets keep their place", len(all))
		}
	})
}

func TestRetry_AChangeOfThePolicyKeepsTheBudget(t *testing.T) {
	g := newGuard(t, guard.Config{Retry: prompt()})
	_ = g.DoCall(t.Context(), twice, fail)
	changed := prompt()
	changed.Attempts = 2
	if err := g.Reconfigure(guard.Config{Retry: changed}); err != nil {
		t.Fatal(err)
	}
	runs := 0
	_ = g.DoCall(t.Context(), twice, inTurn(&runs, errDown, errDown, errDown))
	if s := g.Status(); runs != 2 || s.Retries.Budgets[0].Retries != 3 || s.Retries.Budgets[0].First != 2 {
		t.Errorf("%d runs, %+v", runs, s.Retries)
	}
	if err := g.Reconfigure(guard.Config{}); err != nil {
		t.Fatal(err)
	}
	runs = 0
	if err := g.DoCall(t.Context(), twice, inTurn(&runs, errDown)); runs != 1 || err != errDown { //nolint:errorlint // as it is
		t.Errorf("without a policy: %d runs, %v", runs, err)
	}
}

func TestRetry_ABadPolicyIsRefusedWithTheRest(t *testing.T) {
	_, err := guard.New("checkout", guard.Config{Timeout: -1, Retry: &retry.Config{Attempts: 100, Budget: 2}})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) != 3 || f.Problems()[1].Field != "retry.attempts" || f.Problems()[2].Field != "retry.budget" {
		t.Errorf("refused with %v", err)
	}
	warned := guard.Config{Timeout: time.Second, Retry: &retry.Config{AttemptTimeout: time.Second}}.Warnings()
	if len(warned) != 1 || warned[0].Field != "retry" {
		t.Errorf("warnings %v", warned)
	}
}

func TestRetry_TheListenerLearnsOfEachRetry(t *testing.T) {
	bus := telemetry.NewBus()
	var seen []guard.Retried
	var executed []guard.Executed
	must(telemetry.Subscribe(bus, "retried", func(_ context.Context, e guard.Retried) { seen = append(seen, e) }))
	must(telemetry.Subscribe(bus, "executed", func(_ context.Context, e guard.Executed) { executed = append(executed, e) }))
	g := newGuard(t, guard.Config{Retry: prompt()}, guard.WithBus(bus))
	runs := 0
	_ = g.DoCall(t.Context(), guard.Call{Idempotent: true, Op: "pay", Target: "a"}, inTurn(&runs, errDown, errDown))
	want := []guard.Retried{
		{Guard: "checkout", Op: "pay", Target: "a", Attempt: 2, Cause: retry.Failed},
		{Guard: "checkout", Op: "pay", Target: "a", Attempt: 3, Cause: retry.Failed},
	}
	if !reflect.DeepEqual(seen, want) || len(executed) != 1 || executed[0].Attempts != 3 || executed[0].Result != guard.Succeeded {
		t.Errorf("retried %+v, executed %+v", seen, executed)
	}
}

func TestRetry_Metrics(t *testing.T) {
	g := newGuard(t, guard.Config{Retry: prompt()})
	_ = g.DoCall(t.Context(), twice, fail)
	got := map[string]float64{}
	g.Collect(func(s telemetry.Sample) {
		if s.Distribution == nil {
			got[s.Desc.Name+fmt.Sprint(s.Labels[1:])] = s.Value
		}
	})
	for name, want := range map[string]float64{
		"foundation_guard_retries_total[failure]":          2,
		"foundation_guard_retries_total[timeout]":          0,
		"foundation_guard_retries_stopped_total[attempts]": 1,
		"foundation_guard_retries_stopped_total[budget]":   0,
		"foundation_guard_retry_budget_left[]":             8,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (there: %v), want %v", name, v, ok, want)
		}
	}
	newGuard(t, guard.Config{}).Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_guard_retries_total" {
			t.Error("a guard that never retried has the metric")
		}
	})
}

func TestRetry_ABadResultIsTriedAgain(t *testing.T) {
	op := guard.Op[int]{
		Guard: newGuard(t, guard.Config{Retry: prompt()}),
		Classify: func(n int, _ error) outcome.Outcome {
			if n < 3 {
				return outcome.Failure
			}
			return outcome.Success
		},
	}
	n := 0
	if got, err := op.Do(t.Context(), twice, func(context.Context) (int, error) { n++; return n, nil }); got != 3 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	n = -10
	if got, err := op.Do(t.Context(), twice, func(context.Context) (int, error) { n++; return n, nil }); got != -7 || err != nil {
		t.Errorf("the last result is %d, %v", got, err)
	}
}

func TestRetry_PanicAndGoexitEndTheCall(t *testing.T) {
	for name, end := range map[string]func(context.Context) error{"panic": panics, "Goexit": exits} {
		b := newBreaker(t, breaker.Config{FailureThreshold: 100})
		g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b, Concurrency: 1, Timeout: time.Hour})
		runs := 0
		panicked, exited := drive(func() {
			_ = g.DoCall(t.Context(), twice, func(ctx context.Context) error {
				if runs++; runs == 1 {
					return errDown
				}
				return end(ctx)
			})
		})
		s := g.Status()
		if runs != 2 || (panicked == nil) == !exited || s.SlotsTaken != 0 || s.InFlight != 0 || s.Results[guard.Failed] != 1 || b.Status().Totals.Failures != 2 {
			t.Errorf("%s: %d runs, panicked %v, exited %v, %+v", name, runs, panicked, exited, s)
		}
	}
}

func TestRetry_TheCallsTimeAndWaitsAreThoseOfAllAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, rec := newStage(), &recorder{}
		st.says(func(context.Context) error { time.Sleep(time.Second); return nil })
		db := must(guard.Bind[*conn](newGuard(t, guard.Config{Retry: prompt(), Pool: st, Recorder: rec})))
		runs := 0
		_, _ = guard.DoWith(t.Context(), db, twice, func(context.Context, *conn) (int, error) {
			time.Sleep(10 * time.Second)
			if runs++; runs == 2 {
				st.says(func(context.Context) error { time.Sleep(5 * time.Second); return errDown })
			}
			return 0, errDown
		})
		if o := rec.all[0]; o.Duration != 26*time.Second || o.Wait != 7*time.Second || o.Attempts != 2 {
			t.Errorf("recorded %+v, want 10+1+10+5 s, of which it waited 1+1+5 s for workers", o)
		}
	})
}

func TestRetry_NoWaitForAWorkerGoesBeyondTheCallsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newStage()
		db := must(guard.Bind[*conn](newGuard(t, guard.Config{Retry: prompt(), Pool: st, Timeout: 2 * time.Second})))
		began := time.Now()
		_, err := guard.DoWith(t.Context(), db, twice, func(context.Context, *conn) (int, error) {
			st.says(func(ctx context.Context) error { <-ctx.Done(); return refuseWith(fault.Canceled)(ctx) })
			time.Sleep(time.Second)
			return 0, errDown
		})
		if !errors.Is(err, errDown) || time.Since(began) != 2*time.Second || st.out() != 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}
