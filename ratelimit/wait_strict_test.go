package ratelimit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// counted checks what a limiter has counted.
func counted(t *testing.T, what string, l *ratelimit.Limiter, allowed, denied, wouldRefuse uint64) {
	t.Helper()
	if st := l.Status(); st.Allowed != allowed || st.Denied != denied || st.WouldRefuse != wouldRefuse {
		t.Errorf("%s: %d allowed, %d denied, %d let pass; want %d, %d, %d", what, st.Allowed, st.Denied, st.WouldRefuse, allowed, denied, wouldRefuse)
	}
}

// waits starts a call that waits and returns how it ends.
func waits(ctx context.Context, l *ratelimit.Limiter, cost int64) <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.WaitN(ctx, user, cost) }()
	synctest.Wait()
	return done
}

// Every call is counted once, however it ends: a call that gives up is neither allowed
// nor denied.
func TestCallsThatWaitAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
		if err := l.Wait(t.Context(), user); err != nil {
			t.Fatal(err)
		}
		counted(t, "at once", l, 1, 0, 0)
		first := waits(t.Context(), l, 1)
		ctx, cancel := context.WithCancel(t.Context())
		behind := waits(ctx, l, 1)
		cancel()
		if err := <-behind; !errors.Is(err, fault.Canceled) {
			t.Error(err)
		}
		counted(t, "given up in the queue", l, 1, 0, 0)
		if err := <-first; err != nil {
			t.Error(err)
		}
		counted(t, "after a wait", l, 2, 0, 0)
		ctx, cancel = context.WithCancel(t.Context())
		head := waits(ctx, l, 1)
		cancel()
		if err := <-head; !errors.Is(err, fault.Canceled) {
			t.Error(err)
		}
		counted(t, "given up at the head", l, 2, 0, 0)
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := <-waits(ctx, l, 1); !errors.Is(err, fault.RateLimited) {
			t.Error(err)
		}
		counted(t, "refused", l, 2, 1, 0)
		if r := l.Reserve(user, 1); !r.OK {
			t.Errorf("%+v", r)
		}
		counted(t, "reserved", l, 3, 1, 0)
		if err := l.WaitN(t.Context(), user, 9); !errors.Is(err, fault.InvalidArgument) {
			t.Error(err)
		}
		counted(t, "impossible", l, 3, 2, 0)
	})
}

// In shadow mode nobody waits.
func TestWaitInShadowModeReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := must(t, ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Shadow}), time.Now()
		for range 3 {
			if err := l.Wait(t.Context(), user); err != nil || time.Since(start) != 0 {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}
		counted(t, "shadow", l, 1, 0, 2)
	})
}

// Behind calls that wait: what does not wait takes nothing, is told of its turn and of
// the key as it is, and a cost that nothing admits is refused for good.
func TestCallsThatDoNotWaitBehindThoseWhoDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2}), time.Now()
		l.AllowN(user, 2)
		time.Sleep(time.Second)
		first := waits(t.Context(), l, 2)
		time.Sleep(200 * time.Millisecond)
		if d := l.Allow(user); d.OK || d.RetryAfter != 1800*time.Millisecond || d.Limit != 2 || d.Remaining != 1 || d.Taken != 0 {
			t.Errorf("a call of 1: %+v", d)
		}
		if d := l.AllowN(user, 0); !d.OK || d.Remaining != 1 {
			t.Errorf("a call of nothing: %+v", d)
		}
		if d := l.AllowN(user, 3); d.OK || d.RetryAfter != 0 || !errors.Is(d.Err(), fault.InvalidArgument) {
			t.Errorf("a call of 3: %+v", d)
		}
		before := time.Now()
		if err := l.WaitN(t.Context(), user, 3); !errors.Is(err, fault.InvalidArgument) || time.Since(before) != 0 {
			t.Errorf("waiting with 3: after %v, %v", time.Since(before), err)
		}
		if err := <-first; err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("the one who waited went after %v: %v", time.Since(start), err)
		}
	})
}

// Whoever cannot go in time is refused at once, also behind others, and is told when its
// turn would be.
func TestBehindOthersACallIsRefusedAtOnceAndToldItsTurn(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Second, Burst: burstOf(a, 1)})
		if a == ratelimit.LeakyBucket {
			l = must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Second, Burst: 9})
		}
		d := l.Allow(user)
		time.Sleep(d.ResetAfter)
		l.Allow(user)
		first := waits(t.Context(), l, 1)
		turn := l.Peek(user).RetryAfter
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		start := time.Now()
		err := l.Wait(ctx, user)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.RateLimited || f.RetryAfter() != turn || time.Since(start) != 0 {
			t.Errorf("after %v, want a turn in %v: %v", time.Since(start), turn, err)
		}
		if paced := a == ratelimit.GCRA || a == ratelimit.LeakyBucket; paced && turn != 2*time.Second {
			t.Errorf("the turn is in %v", turn)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

// At its turn a call can still be taken back.
func TestACancelAtItsTurnGivesThePlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
		l.Allow(user)
		r := l.Reserve(user, 1)
		time.Sleep(r.Delay())
		r.Cancel()
		if p := l.Peek(user); !p.OK {
			t.Errorf("%+v", p)
		}
	})
}

// admit is a call of a guard.
func admit(ctx context.Context, l *ratelimit.Limiter, cost int64, patience time.Duration) (d ratelimit.Decision, waited bool, err error) {
	k := user
	waited, err = l.Admit(ctx, &d, clock.Now(), &k, cost, patience)
	return d, waited, err
}

func TestAdmitWaitsOnlyForItsOwnTurnInALeakyBucket(t *testing.T) {
	for name, c := range map[string]struct {
		algorithm ratelimit.Algorithm
		cost      int64
		patience  time.Duration
		parent    bool
		waits     bool // before it is decided
		ok        bool
		after     time.Duration
	}{
		"as long as it takes":     {ratelimit.LeakyBucket, 1, 0, false, true, true, time.Second},
		"patience is enough":      {ratelimit.LeakyBucket, 1, time.Second, false, true, true, time.Second},
		"patience is too short":   {ratelimit.LeakyBucket, 1, time.Second - 1, false, true, false, 0},
		"no patience":             {ratelimit.LeakyBucket, 1, -1, false, false, false, 0},
		"an impossible cost":      {ratelimit.LeakyBucket, 99, 0, false, false, false, 0},
		"a token bucket":          {ratelimit.GCRA, 1, 0, false, false, false, 0},
		"a window":                {ratelimit.FixedWindow, 1, 0, false, false, false, 0},
		"a refusal of the parent": {ratelimit.LeakyBucket, 1, 0, true, false, false, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := must(t, ratelimit.Config{Algorithm: c.algorithm, Limit: 1, Per: time.Second, Burst: burstOf(c.algorithm, 1)})
			if c.parent {
				above := must(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1, Per: time.Second, Burst: 1})
				above.Allow(user)
				if err := l.SetParent(above); err != nil {
					t.Fatal(err)
				}
			} else if d, waited, err := admit(t.Context(), l, 1, 0); !d.OK || waited || err != nil {
				t.Fatalf("%s: the first call: %+v, %v, %v", name, d, waited, err)
			}
			before, start := l.Status(), time.Now()
			d, waited, err := admit(t.Context(), l, c.cost, c.patience)
			if d.OK != c.ok || waited != c.waits || time.Since(start) != c.after || (err != nil) != (c.waits && !c.ok) {
				t.Errorf("%s: after %v, it waited %v: %+v, %v", name, time.Since(start), waited, d, err)
			}
			if !d.OK && d.Err() == nil || err != nil && !errors.Is(err, fault.RateLimited) {
				t.Errorf("%s: %v, %v", name, d.Err(), err)
			}
			if st := l.Status(); st.Allowed+st.Denied != before.Allowed+before.Denied+1 || (st.Allowed > before.Allowed) != c.ok {
				t.Errorf("%s: it was counted as %+v", name, st)
			}
		})
	}
}

// A turn that moved away while a call waited behind others is refused when the patience
// ends, with the time that is left, and counted; a caller that gave up is not.
func TestAdmitRefusesATurnThatMovedAway(t *testing.T) {
	for _, canceled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := must(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1, Per: time.Second, Burst: 20})
			l.Allow(user)
			first := waits(t.Context(), l, 1)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			type end struct {
				d      ratelimit.Decision
				waited bool
				err    error
			}
			done, start := make(chan end, 1), time.Now()
			go func() {
				d, waited, err := admit(ctx, l, 1, 2500*time.Millisecond)
				done <- end{d, waited, err}
			}()
			synctest.Wait()
			for range 4 { // who reserves does not stand in line
				l.Reserve(user, 1)
			}
			before := l.Status()
			if canceled {
				time.Sleep(time.Second / 2)
				cancel()
			}
			got := <-done
			switch {
			case canceled:
				if !errors.Is(got.err, fault.Canceled) || got.d.OK || l.Status().Denied != before.Denied {
					t.Errorf("%+v, %d denied", got, l.Status().Denied-before.Denied)
				}
			case !errors.Is(got.err, fault.RateLimited) || got.d.OK || !got.waited || got.d.RetryAfter <= 0 || time.Since(start) != 2500*time.Millisecond:
				t.Errorf("after %v: %+v", time.Since(start), got)
			case l.Status().Denied != before.Denied+1:
				t.Errorf("it was counted %d times", l.Status().Denied-before.Denied)
			}
			if err := <-first; err != nil {
				t.Error(err)
			}
		})
	}
}

// Whoever listens hears of every call, of those that a guard makes as well.
func TestAdmitTellsWhoListens(t *testing.T) {
	bus, allowed, denied := telemetry.NewBus(), 0, 0
	if _, err := telemetry.Subscribe(bus, "allowed", func(context.Context, ratelimit.RequestAllowed) { allowed++ }); err != nil {
		t.Fatal(err)
	}
	if _, err := telemetry.Subscribe(bus, "denied", func(context.Context, ratelimit.RequestDenied) { denied++ }); err != nil {
		t.Fatal(err)
	}
	l := must(t, ratelimit.Config{Limit: 2, Per: time.Hour}, ratelimit.WithBus(bus))
	for range 3 {
		_, _, _ = admit(t.Context(), l, 1, -1)
	}
	if allowed != 2 || denied != 1 {
		t.Errorf("told of %d allowed and %d denied", allowed, denied)
	}
	counted(t, "three calls", l, 2, 1, 0)
}

// A call that waits while its rule becomes smaller than its cost is refused for good.
func TestAWaitForMoreThanTheRuleAdmitsNowEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, start := must(t, ratelimit.Config{Limit: 1, Per: time.Hour, Burst: 2}), time.Now()
		l.AllowN(user, 2)
		done := waits(t.Context(), l, 2)
		if err := l.Reconfigure(ratelimit.Config{Limit: 1, Per: time.Hour, Burst: 1}); err != nil {
			t.Fatal(err)
		}
		if err := <-done; !errors.Is(err, fault.InvalidArgument) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if st := l.Status(); st.Waiting != 0 || st.Denied != 1 {
			t.Errorf("%d wait, %d were denied", st.Waiting, st.Denied)
		}
	})
}

// The first in line is refused as well once its turn has moved behind its deadline.
func TestTheFirstWaiterWhoseTurnMovedAwayIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1, Per: time.Second, Burst: 20})
		l.Allow(user)
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		start, done := time.Now(), waits(ctx, l, 1)
		for range 4 { // who reserves does not stand in line
			l.Reserve(user, 1)
		}
		err := <-done
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code() != fault.RateLimited || f.RetryAfter() != 4*time.Second || time.Since(start) != time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		counted(t, "one refused", l, 5, 1, 0)
	})
}

// A key that is known already is counted as any other.
func TestAdmitCountsEveryCall(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 3, Per: time.Hour})
	for i := range 4 {
		if d, waited, err := admit(t.Context(), l, 1, 0); d.OK != (i < 3) || waited || err != nil {
			t.Errorf("call %d: %+v, waited %v, %v", i, d, waited, err)
		}
	}
	counted(t, "four calls", l, 3, 1, 0)
}
