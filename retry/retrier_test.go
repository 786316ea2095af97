package retry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/retry"
)

// answers returns a function that answers with the given errors in turn and then nil.
func answers(calls *int, errs ...error) func(context.Context) error {
	return func(context.Context) error {
		*calls++
		if *calls <= len(errs) {
			return errs[*calls-1]
		}
		return nil
	}
}

func TestDo_SucceedsInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetrier(t, retry.Config{Backoff: 100 * time.Millisecond}, retry.WithRandom(longest))
		calls, began := 0, time.Now()
		if err := r.Do(t.Context(), answers(&calls, errDown, errDown)); err != nil || calls != 3 {
			t.Errorf("%v after %d attempts", err, calls)
		}
		if took := time.Since(began).Round(time.Millisecond); took != 300*time.Millisecond {
			t.Errorf("it waited %v, want 100 and 200 ms", took)
		}
		if s := r.Status(); s.Retried[retry.Failed] != 2 || s.Budget.First != 1 || s.Budget.Retries != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestDo_ReturnsTheLastErrorMarked(t *testing.T) {
	r := newRetrier(t, retry.Config{}, retry.WithRandom(none))
	calls := 0
	last := fmt.Errorf("the third: %w", io.ErrUnexpectedEOF)
	err := r.Do(t.Context(), answers(&calls, errDown, errDown, last))
	if calls != 3 || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errDown) || err.Error() != last.Error() || !retry.IsFinal(err) {
		t.Errorf("%v after %d attempts, final: %v", err, calls, retry.IsFinal(err))
	}
	if s := r.Status(); s.Stopped[retry.OutOfAttempts] != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestDo_DoesNotRetryWhatWasRetriedFurtherIn(t *testing.T) {
	inner, outer := newRetrier(t, retry.Config{}, retry.WithRandom(none)), newRetrier(t, retry.Config{}, retry.WithRandom(none))
	calls := 0
	err := outer.Do(t.Context(), func(ctx context.Context) error {
		return fmt.Errorf("in between: %w", inner.Do(ctx, answers(&calls, errDown, errDown, errDown, errDown, errDown)))
	})
	if calls != 3 || !errors.Is(err, errDown) {
		t.Errorf("%d attempts, %v", calls, err)
	}
	if s := outer.Status(); s.Stopped[retry.AlreadyRetried] != 1 || s.Budget.Retries != 0 {
		t.Errorf("the outer one: %+v", s)
	}
}

func TestDo_WhatAnErrorSaysDecides(t *testing.T) {
	refusal := fault.New(fault.Spec{Code: fault.PoolFull, Component: "connection_pool"})
	for name, tc := range map[string]struct {
		cfg   retry.Config
		err   error
		calls int
		why   retry.Reason
		final bool
	}{
		"a failure":                  {err: errDown, calls: 3, why: retry.OutOfAttempts, final: true},
		"final":                      {err: retry.Final(errDown), calls: 1, why: retry.AlreadyRetried, final: true},
		"a refusal":                  {err: refusal, calls: 1, why: retry.NotListed},
		"a refusal that is listed":   {cfg: retry.Config{Outcomes: retry.Causes()}, err: refusal, calls: 3, why: retry.OutOfAttempts, final: true},
		"asked for too long":         {err: retry.After(errDown, time.Minute), calls: 1, why: retry.AskedTooLong, final: true},
		"a fault that asks too long": {err: fault.New(fault.Spec{Code: fault.OperationFailed, RetryAt: time.Now().Add(time.Hour)}), calls: 1, why: retry.AskedTooLong, final: true},
		"one attempt":                {cfg: retry.Config{Attempts: 1}, err: errDown, calls: 1, why: retry.NotListed},
	} {
		r := newRetrier(t, tc.cfg, retry.WithRandom(none))
		calls := 0
		err := r.Do(t.Context(), answers(&calls, tc.err, tc.err, tc.err, tc.err))
		if calls != tc.calls || !errors.Is(err, tc.err) || r.Status().Stopped[tc.why] != 1 || retry.IsFinal(err) != tc.final {
			t.Errorf("%s: %d attempts, %v, final %v, %v", name, calls, err, retry.IsFinal(err), r.Status().Stopped)
		}
	}
}

func TestDo_WaitsAsLongAsWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetrier(t, retry.Config{}, retry.WithRandom(none))
		calls, began := 0, time.Now()
		at := fault.New(fault.Spec{Code: fault.OperationFailed, RetryAt: began.Add(7 * time.Second)})
		if err := r.Do(t.Context(), answers(&calls, retry.After(errDown, 3*time.Second), at)); err != nil || time.Since(began) != 7*time.Second {
			t.Errorf("%v after %v, want 3 s and then until 7 s", err, time.Since(began))
		}
	})
}

func TestDo_BoundsEachAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetrier(t, retry.Config{AttemptTimeout: time.Second}, retry.WithRandom(none))
		began := time.Now()
		err := r.Do(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second || r.Status().Retried[retry.TimedOut] != 2 {
			t.Errorf("%v after %v, %+v", err, time.Since(began), r.Status().Retried)
		}
	})
}

func TestDo_NoAttemptThatTheDeadlineCannotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetrier(t, retry.Config{Backoff: 100 * time.Millisecond}, retry.WithRandom(longest))
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		calls, began := 0, time.Now()
		err := r.Do(ctx, answers(&calls, errDown, errDown, errDown))
		if calls != 2 || time.Since(began) >= 150*time.Millisecond || !errors.Is(err, errDown) || r.Status().Stopped[retry.OutOfTime] != 1 {
			t.Errorf("%d attempts in %v, %v, %v", calls, time.Since(began), err, r.Status().Stopped)
		}
	})
}

func TestDo_ACallerThatLeavesEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetrier(t, retry.Config{Backoff: time.Hour}, retry.WithRandom(longest))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		calls, began := 0, time.Now()
		err := r.Do(ctx, answers(&calls, errDown))
		if calls != 1 || time.Since(began) != time.Second || !errors.Is(err, errDown) || retry.IsFinal(err) {
			t.Errorf("%d attempts in %v: %v", calls, time.Since(began), err)
		}
		if s := r.Status(); s.Stopped[retry.Canceled] != 1 || s.Budget.Retries != 0 {
			t.Errorf("the retry that was not made was not put back: %+v", s)
		}
		if err = r.Do(ctx, answers(new(int), errDown)); !errors.Is(err, errDown) || r.Status().Stopped[retry.Canceled] != 2 {
			t.Errorf("under a done context: %v", err)
		}
	})
}

func TestDo_Misuse(t *testing.T) {
	r := newRetrier(t, retry.Config{}, retry.WithRandom(nil))
	if err := r.Do(t.Context(), nil); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("a nil function: %v", err)
	}
	if _, err := retry.Do[int](t.Context(), r, nil); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("a nil function with a result: %v", err)
	}
}

func TestDo_PanicsAndGoexitPropagate(t *testing.T) {
	r := newRetrier(t, retry.Config{AttemptTimeout: time.Hour}, retry.WithRandom(none))
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() {
			if got := recover(); got != "as told" {
				t.Errorf("recovered %v", got)
			}
		}()
		_ = r.Do(t.Context(), func(context.Context) error { panic("as told") })
	})
	wg.Go(func() {
		_ = r.Do(t.Context(), func(context.Context) error { runtime.Goexit(); return nil })
		t.Error("Do returned after Goexit")
	})
	wg.Wait()
}

func TestDo_ResultIsThatOfTheLastAttempt(t *testing.T) {
	r := newRetrier(t, retry.Config{Attempts: 2}, retry.WithRandom(none))
	n := 0
	got, err := retry.Do(t.Context(), r, func(context.Context) (int, error) { n++; return n, errDown })
	if got != 2 || !errors.Is(err, errDown) {
		t.Errorf("%d, %v", got, err)
	}
}

// At 100 % failure, with three attempts allowed, the dependency sees a fifth more than
// the first attempts and one call per second.
func TestDo_AStormIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRetrier(t, retry.Config{})
		const perSecond, seconds = 100, 60
		var mu sync.Mutex
		attempts := 0
		var wg sync.WaitGroup
		for range perSecond * seconds {
			wg.Go(func() {
				_ = r.Do(t.Context(), func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					attempts++
					return errDown
				})
			})
			time.Sleep(time.Second / perSecond)
		}
		wg.Wait()
		if most := perSecond*seconds*12/10 + seconds + 10; attempts > most || attempts < most*9/10 {
			t.Errorf("%d attempts for %d calls, want at most and nearly %d", attempts, perSecond*seconds, most)
		}
	})
}

func TestMarks(t *testing.T) {
	if retry.Final(nil) != nil || retry.After(nil, time.Second) != nil {
		t.Error("a mark made an error of nil")
	}
	marked := retry.Final(retry.After(errDown, time.Second))
	if !errors.Is(marked, errDown) || marked.Error() != errDown.Error() || retry.Delay(marked) != time.Second {
		t.Errorf("%v asks for %v", marked, retry.Delay(marked))
	}
	if retry.Final(marked) != marked { //nolint:errorlint // identity is meant
		t.Error("it was marked twice")
	}
	if retry.IsFinal(errDown) || !retry.IsFinal(errors.Join(io.EOF, marked)) {
		t.Error("the mark is seen where there is none, or not seen where there is one")
	}
	if retry.Delay(errDown) != 0 || retry.Delay(retry.After(errDown, -1)) != 0 {
		t.Error("a wait came of nothing")
	}
}

func TestDo_AllocatesNothingOnSuccess(t *testing.T) {
	r := newRetrier(t, retry.Config{})
	ctx, sum := t.Context(), 0
	got := testing.AllocsPerRun(200, func() {
		n := 0
		_ = r.Do(ctx, func(context.Context) error { n++; return nil })
		sum += n
	})
	if got > 0 || sum == 0 {
		t.Errorf("%v allocations", got)
	}
}
