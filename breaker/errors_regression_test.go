package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// ends are the ways in which a method of an error ends its caller.
var ends = map[string]error{
	"panic":     testkit.RudeError(func() { panic("boom") }),
	"goexit":    testkit.RudeError(runtime.Goexit),
	"typed nil": (*url.Error)(nil),
}

// The bug: the permit was spent before the class of the error was known, so a method
// of the error that panicked lost the call, and a probe kept its place for its lease.
func TestAnErrorWhoseMethodsPanicIsOneFailure(t *testing.T) {
	settlements := map[string]func(b *breaker.Breaker, err error){
		"Failure":  func(b *breaker.Breaker, err error) { p := b.Allow(); p.Failure(err) },
		"SettleAt": func(b *breaker.Breaker, err error) { p := b.Allow(); p.SettleAt(clock.Now(), outcome.Failure, err) },
		"unknown":  func(b *breaker.Breaker, err error) { p := b.Allow(); p.SettleAt(clock.Now(), outcome.Outcome(9), err) },
		"Do": func(b *breaker.Breaker, err error) {
			_ = b.Do(context.Background(), func(context.Context) error { return err })
		},
		"Do with the caller gone": func(b *breaker.Breaker, err error) {
			ctx, cancel := context.WithCancel(context.Background())
			_ = b.Do(ctx, func(context.Context) error { cancel(); return err })
		},
		"typed Do": func(b *breaker.Breaker, err error) {
			_, _ = breaker.Do(context.Background(), b, func(context.Context) (int, error) { return 0, err })
		},
		"Look": func(b *breaker.Breaker, err error) {
			l := b.LookAt(clock.Now())
			l.SettleAt(clock.Now(), outcome.Failure, err)
		},
	}
	for way, err := range ends {
		for name, settle := range settlements {
			t.Run(name+" "+way, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					bus := telemetry.NewBus()
					b := halfOpen(t, breaker.Config{}, breaker.WithBus(bus))
					before := b.Status()
					told := 0
					_, _ = telemetry.Subscribe(bus, "t", func(_ context.Context, e breaker.CallExecuted) { told++ })
					if !testkit.Apart(func() { settle(b, err) }) {
						t.Error("the end did not go on to the caller")
					}
					s := b.Status()
					if s.State != breaker.StateOpen || s.ProbesInFlight != 0 || s.Generation != before.Generation+2 {
						t.Errorf("after a failed probe: %v with %d probes, generation %d after %d", s.State, s.ProbesInFlight, s.Generation, before.Generation)
					}
					if s.Totals.Failures != before.Totals.Failures+1 {
						t.Errorf("%d failures, %d before", s.Totals.Failures, before.Totals.Failures)
					}
					if name != "Look" && told != 1 {
						t.Errorf("%d events", told)
					}
				})
			})
		}
	}
}

// Of an error that can't be asked, its type is named.
func TestAnErrorWhoseMethodsPanicIsNamedByItsType(t *testing.T) {
	b := mustNew(t, breaker.Config{})
	p := b.Allow()
	testkit.Apart(func() { p.Failure((*url.Error)(nil)) })
	if last := b.Status().LastErrors; len(last) != 1 || last[0].Class != "*url.Error" {
		t.Errorf("%+v", last)
	}
}

// The bug: an answer that broke off with such an error was not counted.
func TestARevokedSuccessCountsAlsoIfTheErrorPanics(t *testing.T) {
	for way, err := range ends {
		b := mustNew(t, breaker.Config{FailureThreshold: 1})
		p := b.Allow()
		p.Success()
		testkit.Apart(func() { p.SettleAt(clock.Now(), outcome.Failure, err) })
		if b.State() != breaker.StateOpen {
			t.Errorf("%s: %+v", way, b.Status())
		}
	}
}

// A classifier is user code that runs while the permit is held.
func TestAClassifierThatDoesNotReturnIsOneFailure(t *testing.T) {
	for way, err := range ends {
		bubble(t, func(t *testing.T) {
			armed := false
			b := halfOpen(t, breaker.Config{CallTimeout: time.Minute, Classify: func(got error) outcome.Outcome {
				if armed {
					_ = errors.Unwrap(err)
				}
				return map[bool]outcome.Outcome{true: outcome.Success, false: outcome.Failure}[got == nil]
			}})
			armed = true
			before := b.Status().Totals.Failures
			ended := testkit.Apart(func() { _ = b.Do(context.Background(), succeed) })
			if s := b.Status(); !ended || s.State != breaker.StateOpen || s.ProbesInFlight != 0 || s.Totals.Failures != before+1 {
				t.Errorf("%s: ended %v, %+v", way, ended, s)
			}
		})
	}
}

// The bug: a refusal beside a failure hid it.
func TestAFailureBesideARefusalCounts(t *testing.T) {
	refusal := fault.New(fault.Spec{Code: fault.RateLimited})
	late := fault.New(fault.Spec{Code: fault.CallTimeout})
	for name, c := range map[string]struct {
		err   error
		class string // of the failure; empty if it is none
	}{
		"refusal":                {refusal, ""},
		"wrapped":                {fmt.Errorf("x: %w", refusal), ""},
		"refusals":               {errors.Join(refusal, fault.New(fault.Spec{Code: fault.CircuitOpen})), ""},
		"failure and refusal":    {errors.Join(errDown, refusal), "*errors.joinError: *errors.errorString"},
		"refusal and failure":    {fmt.Errorf("x: %w", errors.Join(refusal, &url.Error{Op: "Get", Err: errDown})), "*fmt.wrapError: *errors.errorString"},
		"two verbs":              {fmt.Errorf("%w, then %w", refusal, &url.Error{Op: "Get", Err: context.DeadlineExceeded}), "timeout"},
		"refusal and a timeout":  {errors.Join(refusal, late), "call_timeout"},
		"no worker and refusal":  {errors.Join(refusal, fault.New(fault.Spec{Code: fault.WorkerFailed})), "worker_failed"},
		"a refusal that has two": {fault.New(fault.Spec{Code: fault.PoolTimeout, Cause: errors.Join(errDown, errDown)}), ""},
		"failures":               {errors.Join(errDown, errDown), "*errors.joinError: *errors.errorString"},
	} {
		b := mustNew(t, breaker.Config{})
		_ = b.Do(t.Context(), func(context.Context) error { return c.err })
		s := b.Status()
		if counts := s.Totals; counts.Failures != uint64(len(s.LastErrors)) || counts.Failures+counts.Ignored != 1 || (counts.Failures == 1) != (c.class != "") {
			t.Errorf("%s: %+v", name, counts)
		}
		if len(s.LastErrors) == 1 && s.LastErrors[0].Class != c.class {
			t.Errorf("%s: class %s, want %s", name, s.LastErrors[0].Class, c.class)
		}
	}
}
