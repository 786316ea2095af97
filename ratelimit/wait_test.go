package ratelimit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
)

func TestWaitersGoInOrderOneTokenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 10, Per: time.Second, Burst: 1})
		start := time.Now()
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if err := l.Wait(t.Context(), user); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if at := time.Since(start); at != time.Duration(i)*100*time.Millisecond {
					t.Errorf("waiter %d went after %v", i, at)
				}
				order = append(order, i)
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) || l.Status().Waiting != 0 {
			t.Errorf("order %v, %d still wait", order, l.Status().Waiting)
		}
	})
}

func TestEveryAlgorithmLetsCallsWait(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 4, Per: time.Second, Burst: burstOf(a, 40)})
		start := time.Now()
		var wg sync.WaitGroup
		for range 24 {
			wg.Go(func() {
				if err := l.Wait(t.Context(), user); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took > 10*time.Second || a != ratelimit.GCRA && took < 4*time.Second {
			t.Errorf("24 calls at 4 a second took %v", took)
		}
	})
}

// burstOf is a burst where the algorithm has one.
func burstOf(a ratelimit.Algorithm, n int64) int64 {
	if a == ratelimit.GCRA || a == ratelimit.LeakyBucket {
		return n
	}
	return 0
}

func TestWaitRefusesAtOnceWhatCannotBeInTime(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Hour})
		take(l, user, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := l.Wait(ctx, user)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.RateLimited || f.RetryAfter() <= time.Second || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestTheTurnIsCountedBehindThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
		take(l, user, 1)
		for range 3 {
			go func() { _ = l.Wait(t.Context(), user) }()
		}
		synctest.Wait()
		for deadline, want := range map[time.Duration]bool{4*time.Second - 1: false, 4 * time.Second: true} {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			done := make(chan error, 1)
			go func() { done <- l.Wait(ctx, user) }()
			synctest.Wait()
			select {
			case err := <-done:
				if want {
					t.Errorf("refused although %v is enough: %v", deadline, err)
				}
			default:
				if !want {
					t.Errorf("waits although %v is too short", deadline)
				}
			}
			cancel()
			synctest.Wait()
		}
		if d := l.Allow(user); d.OK || d.RetryAfter != 4*time.Second {
			t.Errorf("a call that does not wait overtook, or knows no better: %+v", d)
		}
		time.Sleep(5 * time.Second)
	})
}

func TestScenario54a_CancelledWaitersLeaveNoTrace(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Second, Burst: burstOf(a, 30)})
		take(l, user, 40)
		next := l.Peek(user).RetryAfter
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the client left")
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if err := l.Wait(ctx, user); !errors.Is(err, fault.Canceled) || !errors.Is(err, why) {
					t.Errorf("%v", err)
				}
			})
		}
		synctest.Wait()
		if got := l.Status().Waiting; got != 20 {
			t.Errorf("%d wait", got)
		}
		cancel(why)
		wg.Wait()
		if p := l.Peek(user); p.RetryAfter != next || l.Status().Waiting != 0 {
			t.Errorf("the next permit comes in %v instead of %v", p.RetryAfter, next)
		}
	})
}

func TestThoseBehindACancelledWaiterMoveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
		take(l, user, 1)
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		for range 5 {
			go func() { _ = l.Wait(ctx, user) }()
		}
		synctest.Wait()
		last := make(chan time.Duration, 1)
		go func() {
			_ = l.Wait(t.Context(), user)
			last <- time.Since(start)
		}()
		synctest.Wait()
		cancel()
		if at := <-last; at != time.Second {
			t.Errorf("it went after %v", at)
		}
	})
}

func TestWaitOfALeakyBucketIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1, Per: time.Second, Burst: 2})
		take(l, user, 1)
		for range 2 {
			go func() {
				if err := l.Wait(t.Context(), user); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		if err := l.Wait(t.Context(), user); !errors.Is(err, fault.RateLimited) {
			t.Errorf("a third call found a place: %v", err)
		}
		time.Sleep(3 * time.Second)
	})
}

func TestWaitWithAContextThatIsDoneTakesNothing(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx, user); !errors.Is(err, context.Canceled) || !l.Peek(user).OK {
		t.Errorf("%v", err)
	}
}

func TestReserveGivesOutTurnsAndTakesThemBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2})
		for want := range 5 {
			r := l.Reserve(user, 1)
			if wait := time.Duration(max(want-1, 0)) * time.Second; !r.OK || r.Delay() != wait {
				t.Errorf("reservation %d has a delay of %v", want, r.Delay())
			}
			if want == 4 {
				r.Cancel()
				r.Cancel()
			}
		}
		r := l.Reserve(user, 1)
		if r.Delay() != 3*time.Second {
			t.Errorf("after a cancel the delay is %v", r.Delay())
		}
		time.Sleep(2 * time.Second)
		if r.Delay() != time.Second {
			t.Errorf("2 s later the delay is %v", r.Delay())
		}
	})
}

func TestACancelGivesNothingThatALaterReservationStandsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 1})
		take(l, user, 1)
		first, second := l.Reserve(user, 1), l.Reserve(user, 1)
		first.Cancel()
		third := l.Reserve(user, 1)
		if third.Delay() == second.Delay() || third.Delay() != 3*time.Second {
			t.Errorf("two calls have the turn in %v", third.Delay())
		}
	})
}

func TestReserveOfWindowsGivesNoFuture(t *testing.T) {
	for _, a := range algorithms[1:4] {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Hour})
		if r := l.Reserve(user, 1); !r.OK || r.Delay() != 0 {
			t.Errorf("%v: %+v", a, r)
		}
		if r := l.Reserve(user, 1); r.OK || r.Decision.RetryAfter <= 0 {
			t.Errorf("%v: %+v", a, r)
		}
	}
}
