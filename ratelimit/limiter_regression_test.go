package ratelimit_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// Defects seen in other limiters; none may be ours.

// Twenty waiters that gave up pushed the next permit out by two seconds.
func TestPeer05_CancelledWaitersDoNotDelayTheNextPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 10, Per: time.Second, Burst: 1})
		take(l, user, 1)
		ctx, cancel := context.WithCancel(t.Context())
		for range 20 {
			go func() { _ = l.Wait(ctx, user) }()
		}
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		cancel()
		synctest.Wait()
		start := time.Now()
		if err := l.Wait(t.Context(), user); err != nil || time.Since(start) != 50*time.Millisecond {
			t.Errorf("the next permit came after %v (%v)", time.Since(start), err)
		}
	})
}

// Readings of the clock that arrived in falling order let 10,000 of 10,000 pass.
func TestPeer21_TimesOutOfOrderAdmitNothingExtra(t *testing.T) {
	for _, a := range algorithms {
		l, admitted := must(t, ratelimit.Config{Algorithm: a, Limit: 100, Per: time.Second}), 0
		now := clock.Instant(time.Hour)
		for i := range 10_000 {
			jitter := clock.Instant((i * 7919) % 10_000 * int(time.Millisecond) / 100)
			if d := l.AllowAt(now-jitter, user, 1); d.OK {
				admitted++
			}
		}
		if admitted > 120 { // the readings span 100 ms
			t.Errorf("%v admitted %d of 10,000 within 100 ms at 100 a second", a, admitted)
		}
	}
}

// The time to retry was a constant or negative, a refused cost was taken all the
// same, and a sliding window under overload admitted nobody.
func TestPeer22_RetryIsRealRefusalsAreFreeAndOverloadIsServed(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Second})
		admitted := 0
		for range 20_000 { // 10 s at 200 times the limit
			if d := l.AllowN(user, 1); d.OK {
				admitted++
			} else if d.RetryAfter <= 0 || d.RetryAfter > 2*time.Second {
				t.Fatalf("RetryAfter is %v", d.RetryAfter)
			}
			time.Sleep(500 * time.Microsecond)
		}
		if admitted < 90 {
			t.Errorf("%d calls in 10 s at 10 a second", admitted)
		}
	})
}

// Keys joined without escaping were one.
func TestPeer23_PartsDoNotRunTogether(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Hour})
	for _, k := range []ratelimit.Key{
		ratelimit.KeyOf("a", "b_c"), ratelimit.KeyOf("a_b", "c"), ratelimit.KeyOf("a_b_c"), ratelimit.KeyOf("a:b", "c"), ratelimit.KeyOf("a", "b:c"),
	} {
		if !l.Allow(k).OK {
			t.Errorf("%v was used up by another key", k)
		}
	}
}

// In floating point Remaining was off by one and fast rules did not limit at all.
func TestPeer29_FastRulesAndOddOnesStayExact(t *testing.T) {
	for _, limit := range []int64{3, 7, 999_983, 50_000_000, 1_000_000_007} {
		l := must(t, ratelimit.Config{Limit: limit, Per: time.Second, Burst: 10})
		now := clock.Now()
		for want := int64(9); want >= 0; want-- {
			if d := l.AllowAt(now, user, 1); !d.OK || d.Remaining != want {
				t.Fatalf("%d/s: want %d remaining: %+v", limit, want, d)
			}
		}
		admitted := int64(0)
		for i := range clock.Instant(100_000) { // one call a nanosecond
			if l.AllowAt(now+i, user, 1).OK {
				admitted++
			}
		}
		if want := 99_999 * limit / 1_000_000_000; admitted != want {
			t.Errorf("%d/s: %d calls in 100 µs, want %d", limit, admitted, want)
		}
	}
}

// A reservation in shadow mode was given a delay, as if the rule were enforced.
func TestAShadowRuleDelaysNoReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Mode: mode.Shadow})
		for i := range 3 {
			r := l.Reserve(user, 1)
			if !r.OK || r.Delay() != 0 || r.Decision.WouldRefuse() != (i > 0) {
				t.Errorf("reservation %d: a delay of %v, %+v", i, r.Delay(), r.Decision)
			}
		}
	})
}

// Where a shadow rule would have refused, the delay of its enforced parent was lost.
func TestAShadowRuleKeepsTheDelayOfItsParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
		l := under(t, parent, ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 1, Per: time.Hour, Mode: mode.Shadow})
		for i := range 3 {
			r := l.Reserve(user, 1)
			if want := time.Duration(i) * time.Second; !r.OK || r.Delay() != want {
				t.Errorf("the parent's turn is in %v, the delay is %v", want, r.Delay())
			}
		}
	})
}

// A canceled reservation of a leaky bucket was given out again although a later
// one stood on it, so that two calls had one turn.
func TestACancelInALeakyBucketGivesNobodyTheTurnOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1, Per: time.Second, Burst: 10})
		l.Reserve(user, 1)
		second, third := l.Reserve(user, 1), l.Reserve(user, 1)
		second.Cancel()
		if fourth := l.Reserve(user, 1); fourth.Delay() <= third.Delay() {
			t.Errorf("the third has its turn in %v, the fourth in %v", third.Delay(), fourth.Delay())
		}
	})
}

// A receipt from before a change of parts was honored by the keys that began anew.
func TestAChangeOfPartsVoidsReceipts(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		cfg := ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Hour, Parts: 1}
		l, k := must(t, cfg), ratelimit.KeyOf("one part")
		old := l.Allow(k)
		cfg.Parts = 2
		if err := l.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		take(l, k, 2)
		if old.Refund(); l.Peek(k).OK {
			t.Error("a receipt of the old keys gave a new key quota")
		}
	})
}

// Looking at a log at a later reading of the clock forgot calls that an earlier
// reading, arriving afterwards, had still to count.
func TestPeekingAtALogForgetsNothingForLateReadings(t *testing.T) {
	l := must(t, ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 2, Per: time.Second})
	start := clock.Instant(time.Hour)
	for range 2 {
		l.AllowAt(start, user, 1)
	}
	l.PeekAt(start.Add(2*time.Second), user, 1)
	if d := l.AllowAt(start.Add(time.Second/2), user, 1); d.OK {
		t.Errorf("three calls in half a second: %+v", d)
	}
}

// The first of a queue slept for the time that it was told at the beginning,
// whatever became of the rule or the key, and held up everybody behind it.
func TestTheFirstWaiterNoticesThatItsTurnHasCome(t *testing.T) {
	cfg := ratelimit.Config{Limit: 1, Per: time.Hour}
	fast := ratelimit.Config{Limit: 1000, Per: time.Second}
	off := ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Off}
	for name, act := range map[string]func(l, parent *ratelimit.Limiter, d *ratelimit.Decision) error{
		"reset": func(l, parent *ratelimit.Limiter, _ *ratelimit.Decision) error {
			_ = l.Reset(user, "")
			_ = parent.Reset(user, "")
			return nil
		},
		"refund": func(_, _ *ratelimit.Limiter, d *ratelimit.Decision) error { d.Refund(); return nil },
		"a faster rule": func(l, parent *ratelimit.Limiter, _ *ratelimit.Decision) error {
			_ = parent.Reset(user, "")
			return l.Reconfigure(fast)
		},
		"mode off": func(l, parent *ratelimit.Limiter, _ *ratelimit.Decision) error {
			_ = parent.Reset(user, "")
			return l.Reconfigure(off)
		},
		"no parent": func(l, _ *ratelimit.Limiter, _ *ratelimit.Decision) error {
			_ = l.Reset(user, "")
			return l.SetParent(nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent := must(t, cfg)
				l := under(t, parent, cfg)
				d, start := l.Allow(user), time.Now()
				done := make(chan error, 1)
				go func() { done <- l.Wait(t.Context(), user) }()
				synctest.Wait()
				if err := act(l, parent, &d); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil || time.Since(start) != 0 {
					t.Errorf("it went after %v (%v)", time.Since(start), err)
				}
				if got := parent.Status().Denied; got > 1 {
					t.Errorf("one waiting call is %d refusals of the parent", got)
				}
			})
		})
	}
}

// The same for the rules above, of which the one that waits is no child at first.
func TestTheFirstWaiterWatchesTheRulesAboveItsOwn(t *testing.T) {
	cfg := ratelimit.Config{Limit: 1, Per: time.Hour}
	for name, act := range map[string]func(top *ratelimit.Limiter, d *ratelimit.Decision) error{
		"reset":  func(top *ratelimit.Limiter, _ *ratelimit.Decision) error { _ = top.Reset(user, ""); return nil },
		"refund": func(_ *ratelimit.Limiter, d *ratelimit.Decision) error { d.Refund(); return nil },
		"a faster rule": func(top *ratelimit.Limiter, _ *ratelimit.Decision) error {
			return top.Reconfigure(ratelimit.Config{Limit: 1, Per: time.Millisecond})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				top, wide := must(t, cfg), ratelimit.Config{Limit: 1000, Per: time.Hour}
				l, middle := must(t, wide), must(t, wide)
				d := top.Allow(user)
				if err := middle.SetParent(top); err != nil {
					t.Fatal(err)
				}
				own := l.AllowN(user, 1000)
				start, done := time.Now(), make(chan error, 1)
				go func() { done <- l.Wait(t.Context(), user) }()
				synctest.Wait()
				if err := l.SetParent(middle); err != nil {
					t.Fatal(err)
				}
				own.Refund() // from now on it waits for the rule at the top
				synctest.Wait()
				if err := act(top, &d); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil || time.Since(start) > time.Second {
					t.Errorf("it went after %v (%v)", time.Since(start), err)
				}
				if n := l.Watchers() + middle.Watchers() + top.Watchers(); n != 0 {
					t.Errorf("%d still watch", n)
				}
			})
		})
	}
}

// countingContext counts how often somebody begins to wait for its end.
type countingContext struct {
	context.Context
	looks *int
}

func (c countingContext) Done() <-chan struct{} {
	*c.looks++
	return c.Context.Done()
}

// Every call that waited looked ten times a second whether its turn had come.
func TestAWaitingCallSleepsUntilItsTurn(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l, looks := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Hour, Burst: burstOf(a, 1)}), 0
		take(l, user, 1)
		if err := l.Wait(countingContext{t.Context(), &looks}, user); err != nil {
			t.Fatal(err)
		}
		if looks > 10 {
			t.Errorf("it woke %d times in an hour", looks)
		}
	})
}

// Peek told of a token that belonged to a call that waited.
func TestPeekAnswersWhatAllowWouldBehindWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
		take(l, user, 1)
		for range 2 {
			go func() { _ = l.Wait(t.Context(), user) }()
		}
		synctest.Wait()
		p, d := l.Peek(user), l.Allow(user)
		if p.OK != d.OK || p.RetryAfter != d.RetryAfter || p.Remaining != d.Remaining || p.ResetAfter != d.ResetAfter {
			t.Errorf("peek %+v\nallow %+v", p, d)
		}
		time.Sleep(5 * time.Second)
	})
}

// endingContext ends when its deadline is asked for, a second later.
type endingContext struct {
	context.Context
	end context.CancelFunc
}

func (c endingContext) Deadline() (time.Time, bool) {
	time.Sleep(time.Second)
	c.end()
	return time.Time{}, false
}

// A call whose context and whose turn had both come took a token it had no use for.
func TestAWaiterWhoseContextHasEndedTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			l := must(t, ratelimit.Config{Limit: 1, Per: time.Second})
			take(l, user, 1)
			ctx, cancel := context.WithCancel(t.Context())
			if err := l.Wait(endingContext{ctx, cancel}, user); !errors.Is(err, fault.Canceled) || !l.Peek(user).OK {
				t.Fatalf("it ended with %v", err)
			}
		}
	})
}

// A receipt that was given back after an earlier one gave back what time had given
// back already, so that three calls went at one moment at a burst of 2.
func TestARefundAfterAnotherGivesNothingThatTimeGaveBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2})
		a, b := l.Allow(user), l.Allow(user)
		a.Refund()
		time.Sleep(time.Second)
		if take(l, user, 2) != 2 {
			t.Fatal("a burst of 2 is not there after a second")
		}
		b.Refund()
		if e := l.Allow(user); e.OK {
			t.Error("three calls at one moment")
		}
	})
}

// Every call failed after the bucket had filled up, and each gave a token back.
func TestRefundsOfAWholeBurstGiveOneBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 10, Per: time.Second, Burst: 5})
		var failed []ratelimit.Decision
		for range 5 {
			failed = append(failed, l.Allow(user))
		}
		failed[0].Refund()
		failed[1].Refund()
		time.Sleep(300 * time.Millisecond)
		admitted := take(l, user, 9)
		for i := range failed[2:] {
			failed[2+i].Refund()
			admitted += take(l, user, 9)
		}
		if admitted != 5 {
			t.Errorf("%d calls at one moment", admitted)
		}
	})
}

// A refund gives back in full as long as the bucket was never full meanwhile,
// however long the call took.
func TestALateRefundOfABusyKeyGivesEverythingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 100, Per: time.Second, Burst: 50})
		take(l, user, 25)
		var failed []ratelimit.Decision
		for range 25 {
			failed = append(failed, l.Allow(user))
		}
		time.Sleep(100 * time.Millisecond) // ten tokens come back, each call is ten tokens old
		for i := range failed[:10] {
			failed[i].Refund()
			if got, want := l.Peek(user).Remaining, int64(11+i); got != want {
				t.Fatalf("after refund %d %d remain, want %d", i, got, want)
			}
		}
		for i := range failed[10:] { // the last first
			failed[24-i].Refund()
			if got, want := l.Peek(user).Remaining, int64(21+i); got != want {
				t.Fatalf("after refund %d from the end %d remain, want %d", i, got, want)
			}
		}
	})
}

// A deferred Cancel gave the place of a call back that had gone.
func TestACancelAfterItsTurnGivesNothingBack(t *testing.T) {
	for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.LeakyBucket} {
		synctest.Test(t, func(t *testing.T) {
			l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Second, Burst: 1})
			l.Reserve(user, 1)
			second, third := l.Reserve(user, 1), l.Reserve(user, 1)
			time.Sleep(second.Delay())
			if third.OK {
				third.Cancel()
			}
			time.Sleep(1)
			before := l.Peek(user)
			second.Cancel()
			if after := l.Peek(user); after.RetryAfter != before.RetryAfter || after.ResetAfter != before.ResetAfter {
				t.Errorf("%v: before %+v, after %+v", a, before, after)
			}
		})
	}
}

// Once a turn from under another had been given back, the state did not show that
// other turn any more, and a call from before both gave it away.
func TestACancelFromUnderATurnLeavesThatTurnAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 3})
		first, under, turn := l.AllowN(user, 3), l.Reserve(user, 3), l.Reserve(user, 1)
		if turn.Delay() != 4*time.Second {
			t.Fatal(turn.Delay())
		}
		time.Sleep(2 * time.Second)
		under.Cancel()
		first.Refund()
		time.Sleep(turn.Delay())
		if got := take(l, user, 9); got != 2 {
			t.Errorf("%d calls beside the one whose turn it is, at a burst of 3", got)
		}
	})
}

// What is given back before anybody else took something changes nobody's receipt:
// calls that a parent refuses must not cost those that go on theirs.
func TestRefusalsOfAParentSpoilNoReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		org := must(t, ratelimit.Config{Limit: 30, Per: time.Hour, Parts: 1})
		l := under(t, org, ratelimit.Config{Limit: 10, Per: time.Second, Burst: 50})
		key := ratelimit.KeyOf("acme", "alice")
		take(l, key, 29)
		running := l.Allow(key)
		if take(l, key, 1000) != 0 {
			t.Fatal("the parent admits more than 30")
		}
		if err := l.SetParent(nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		before := l.Peek(key).Remaining
		running.Refund()
		if after := l.Peek(key).Remaining; before != 30 || after != 31 {
			t.Errorf("before %d remain, after %d", before, after)
		}
	})
}

// A change of the size of the table keeps the rule and its receipts, and with them
// what was given back.
func TestAChangeOfTheTableKeepsWhatIsKnownOfRefunds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2}
		l := must(t, cfg)
		a, b := l.Allow(user), l.Allow(user)
		a.Refund()
		cfg.MaxKeys = 10
		if err := l.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		take(l, user, 2)
		b.Refund()
		if l.Allow(user).OK {
			t.Error("three calls at one moment")
		}
	})
}

// Keys that share an overflow bucket move each other's ends.
func TestRefundsInAnOverflowBucketAreKnownToAllItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2, MaxKeys: 1})
		take(l, ratelimit.KeyOf("tracked"), 2)
		one, other := ratelimit.KeyOf("one"), ratelimit.KeyOf("other")
		a := l.Allow(one)
		for i := 0; l.Peek(other).Remaining != 1; i++ { // until it is of the same bucket
			other = ratelimit.KeyOf("other", i)
		}
		b := l.Allow(other)
		a.Refund()
		time.Sleep(time.Second)
		l.AllowN(ratelimit.KeyOf("tracked"), 2) // it keeps its place
		if take(l, one, 1)+take(l, other, 1) != 2 {
			t.Fatal("a burst of 2 is not there after a second")
		}
		b.Refund()
		if l.Allow(one).OK {
			t.Error("three calls of one bucket at one moment")
		}
	})
}

// A key kept its place for a second after it was as if never used, so that a rule
// with a short window ran out of places with hardly any key in use.
func TestSpentKeysOfAShortWindowMakeRoom(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		const room = 100
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: 10 * time.Millisecond, MaxKeys: room})
		for round := range 50 {
			for i := range room {
				if take(l, ratelimit.KeyOf(round, i), 1) != 1 {
					t.Fatalf("round %d: key %d was refused", round, i)
				}
			}
			time.Sleep(30 * time.Millisecond)
		}
		if st := l.Status(); st.Overflowed != 0 || st.TrackedKeys > room {
			t.Errorf("%d calls overflowed, %d keys are tracked", st.Overflowed, st.TrackedKeys)
		}
	})
}

// The bug: at the longest window of all a reservation of the first place was refused,
// and nobody could say until when, though the call was admitted.
func TestTheFirstPlaceIsReservedAsTheCallIsAdmitted(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		for _, limit := range []int64{1, 3, math.MaxInt64} {
			for _, per := range []time.Duration{1, time.Hour, math.MaxInt64 / 3, math.MaxInt64/2 + 1, math.MaxInt64 - 1, math.MaxInt64} {
				l, now := must(t, ratelimit.Config{Algorithm: a, Limit: limit, Per: per}), clock.Now()
				for cost := range min(limit, 3) + 1 {
					k := ratelimit.KeyOf(a.String(), int(cost))
					whole, free := l.AllowAt(now, k, cost), ratelimit.KeyOf("reserves", int(cost))
					if r := l.ReserveAt(now, free, cost); r.OK != whole.OK || r.DelayAt(now) != 0 || r.Decision.RetryAfter != whole.RetryAfter {
						t.Errorf("%d in %v, cost %d: reserved %v, after %v; admitted %v", limit, per, cost, r.OK, r.Decision.RetryAfter, whole.OK)
					}
					again := l.ReserveAt(now, free, min(limit, 3)) // more than is left, or the last of it
					if !again.OK && again.Decision.RetryAfter <= 0 {
						t.Errorf("%d in %v, cost %d: refused without a time: %+v", limit, per, cost, again.Decision)
					}
				}
			}
		}
	})
}

// Keys that were looked at, or refused before they had taken anything, take no room.
func TestKeysThatTookNothingTakeNoRoom(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Hour, MaxKeys: 3})
		for i := range 20 {
			k := ratelimit.KeyOf("looked at", i)
			if d := l.Peek(k); !d.OK || d.Remaining < 2 || l.AllowN(k, 3).OK {
				t.Fatalf("key %d: %+v", i, d)
			}
		}
		if s := l.Status(); s.TrackedKeys != 0 {
			t.Errorf("%d keys are tracked", s.TrackedKeys)
		}
		for i := range 3 {
			l.AllowN(ratelimit.KeyOf("takes", i), 2)
		}
		if s := l.Status(); s.TrackedKeys != 3 {
			t.Errorf("%d keys are tracked, want 3", s.TrackedKeys)
		}
		if d := l.Peek(ratelimit.KeyOf("takes", 1)); d.OK && a != ratelimit.LeakyBucket {
			t.Errorf("its count is lost: %+v", d)
		}
	})
}
