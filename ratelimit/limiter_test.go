package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

var user = ratelimit.KeyOf("user", 42)

// take makes n calls of cost 1 and returns how many were admitted.
func take(l *ratelimit.Limiter, k ratelimit.Key, n int) (admitted int) {
	for range n {
		if d := l.Allow(k); d.OK {
			admitted++
		}
	}
	return admitted
}

func eachAlgorithm(t *testing.T, test func(t *testing.T, a ratelimit.Algorithm)) {
	for _, a := range algorithms {
		t.Run(a.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, a) }) })
	}
}

func TestScenario34_TheSixthOfFiveIsRefusedWithTheExactTimeToRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingLog} {
			l := must(t, ratelimit.Config{Algorithm: a, Limit: 5, Per: time.Minute})
			if got := take(l, user, 5); got != 5 {
				t.Fatalf("%v: %d of 5 were admitted", a, got)
			}
			d := l.Allow(user)
			if d.OK || d.RetryAfter <= 0 || d.RetryAfter > time.Minute || d.Remaining != 0 || d.Limit != 5 {
				t.Fatalf("%v: the sixth call: %+v", a, d)
			}
			time.Sleep(d.RetryAfter - 1)
			if early := l.Allow(user); early.OK || early.RetryAfter != 1 {
				t.Errorf("%v: a nanosecond early: %+v", a, early)
			}
			time.Sleep(1)
			if on := l.Allow(user); !on.OK {
				t.Errorf("%v: after RetryAfter: %+v", a, on)
			}
		}
	})
}

func TestScenario35_OtherKeysAndOtherRulesAreUnaffected(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		one, other := must(t, ratelimit.Config{Algorithm: a, Limit: 1}), must(t, ratelimit.Config{Algorithm: a, Limit: 1})
		take(one, user, 3)
		if take(one, ratelimit.KeyOf("user", 43), 1) != 1 || take(other, user, 1) != 1 {
			t.Error("an exhausted key took from another key or rule")
		}
	})
}

func TestScenario36_ANegativeLimitRefusesEverything(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: -1})
		for _, cost := range []int64{0, 1, math.MaxInt64} {
			if d := l.AllowN(user, cost); d.OK || d.RetryAfter != 0 || !errors.Is(d.Err(), fault.RateLimited) {
				t.Errorf("cost %d: %+v, %v", cost, d, d.Err())
			}
		}
		if p := l.Peek(user); p.OK || p.Remaining != 0 {
			t.Errorf("peek: %+v", p)
		}
	})
}

func TestScenario36_NonsenseIsRefusedWithEveryFault(t *testing.T) {
	_, err := ratelimit.New("Bad\tName", ratelimit.Config{Algorithm: 9, Limit: 0, Per: -1, Burst: -2, Parts: 5, MaxKeys: -1, Mode: 7})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig {
		t.Fatal(err)
	}
	for _, field := range []string{"name", "algorithm", "limit", "per", "burst", "parts", "max_keys", "mode"} {
		if !strings.Contains(err.Error(), "\n\t"+field) {
			t.Errorf("%s is not among the faults: %v", field, err)
		}
	}
	for name, c := range map[string]ratelimit.Config{
		"a window has no burst":      {Algorithm: ratelimit.FixedWindow, Limit: 5, Burst: 2},
		"nothing has no burst":       {Limit: -1, Burst: 2},
		"a log has no burst":         {Algorithm: ratelimit.SlidingLog, Limit: 5, Burst: 5},
		"too many keys to be meant":  {Limit: 5, MaxKeys: 1 << 30},
		"a limit must be configured": {},
	} {
		if err := c.Validate(); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	for field, c := range map[string]ratelimit.Config{
		"limit":    {Limit: -1},
		"max_keys": {Limit: 5, Parts: -1, MaxKeys: 10},
		"burst":    {Limit: 5, Burst: 1},
	} {
		if ps := c.Warnings(); len(ps) != 1 || ps[0].Field != field || !ps[0].Warning || c.Validate() != nil {
			t.Errorf("%+v: %v", c, ps)
		}
	}
	if ps := (ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 1 << 20}).Warnings(); len(ps) != 1 {
		t.Error(ps)
	}
	if ps := (ratelimit.Config{Limit: 100, Burst: 20}).Warnings(); len(ps) != 0 {
		t.Error(ps)
	}
}

func TestScenario37_ConcurrentCallsNeverExceedTheLimit(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l, want := must(t, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Hour}), int64(10)
		if a == ratelimit.LeakyBucket {
			want = 1
		}
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { admitted.Add(int64(take(l, user, 1))) })
		}
		wg.Wait()
		if admitted.Load() != want {
			t.Errorf("%d of 50 concurrent calls were admitted", admitted.Load())
		}
	})
}

func TestScenario39_EveryWindowAdmitsItsLimitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 7, Per: time.Second})
		d := l.Allow(user)
		time.Sleep(d.ResetAfter)
		for window := range 20 {
			if got := take(l, user, 20); got != 7 {
				t.Errorf("window %d admitted %d", window, got)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestScenario40_NoIntervalOfALogHoldsMoreThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 5, Per: time.Second})
		var admitted []time.Time
		for range 500 {
			if d := l.Allow(user); d.OK {
				admitted = append(admitted, time.Now())
			}
			time.Sleep(37 * time.Millisecond)
		}
		for i := 5; i < len(admitted); i++ {
			if span := admitted[i].Sub(admitted[i-5]); span < time.Second {
				t.Fatalf("6 calls within %v", span)
			}
		}
		if len(admitted) < 80 {
			t.Errorf("only %d calls in 18.5 s", len(admitted))
		}
	})
}

func TestScenario43_HostileKeysWorkAndStayApart(t *testing.T) {
	keys := []ratelimit.Key{
		{},
		ratelimit.KeyOf(""), ratelimit.KeyOf("", ""), ratelimit.KeyOf("a:b", "c"), ratelimit.KeyOf("a", "b:c"),
		ratelimit.KeyOf(strings.Repeat("x", 40_000)), ratelimit.KeyOf(strings.Repeat("x", 40_001)), ratelimit.KeyOf("ключ"),
		ratelimit.KeyOf("\x00\x01\x1b[2J"), ratelimit.KeyOf("\xff"), ratelimit.KeyOf("\xfe"), ratelimit.KeyOf("a/b"), ratelimit.KeyOf("a", "b"),
	}
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Hour})
		for i, k := range keys {
			if take(l, k, 2) != 1 {
				t.Errorf("key %d shares a bucket", i)
			}
			if parsed := ratelimit.ParseKey(k.Text()); l.Peek(parsed).OK {
				t.Errorf("the text of key %d names another key", i)
			}
		}
	})
}

func TestScenario45_PeekingTakesNothing(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 5, Per: time.Minute})
		take(l, user, 3)
		first := l.Peek(user)
		for range 10 {
			if p := l.Peek(user); p.Remaining != first.Remaining || p.ResetAfter != first.ResetAfter {
				t.Fatalf("peeking changed something: %+v", p)
			}
		}
		if a != ratelimit.LeakyBucket && (!first.OK || first.Remaining != 2 || first.Limit != 5 || first.ResetAfter <= 0) {
			t.Errorf("after 3 of 5: %+v", first)
		}
	})
}

func TestScenario46_ResetForgetsOneKey(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l, other := must(t, ratelimit.Config{Algorithm: a, Limit: 1, Per: time.Hour}), ratelimit.KeyOf("other")
		take(l, user, 2)
		take(l, other, 2)
		_ = l.Reset(user, "")
		if take(l, user, 2) != 1 || take(l, other, 1) != 0 {
			t.Error("a reset did not forget exactly its key")
		}
		_ = l.Reset(ratelimit.KeyOf("never seen"), "")
		if n := l.Status().TrackedKeys; n != 2 {
			t.Errorf("%d keys are tracked", n)
		}
	})
}

func TestScenario47_TheEndsOfTheTypes(t *testing.T) {
	for _, a := range algorithms {
		for _, limit := range []int64{1, math.MaxInt64} {
			for _, per := range []time.Duration{1, math.MaxInt64} {
				for _, now := range []clock.Instant{clock.Min, -1, 0, 1, clock.Max} {
					l := must(t, ratelimit.Config{Algorithm: a, Limit: limit, Per: per})
					if d := l.AllowAt(now, user, limit); !d.OK || d.ResetAfter < 0 {
						t.Errorf("%v %d/%d at %d: a full limit was refused: %+v", a, limit, per, now, d)
					}
					if d := l.AllowAt(now, user, 1); d.OK || d.RetryAfter <= 0 || d.Remaining < 0 {
						t.Errorf("%v %d/%d at %d: one more was admitted: %+v", a, limit, per, now, d)
					}
				}
			}
		}
	}
}

func TestScenario48_CostsAndARefusedCostTakesNothing(t *testing.T) {
	for _, a := range algorithms[:4] {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 4, Per: time.Hour})
		now := clock.Now()
		for i, want := range []bool{true, false, true, false} {
			cost := []int64{2, 3, 2, 1}[i]
			if d := l.AllowAt(now, user, cost); d.OK != want {
				t.Errorf("%v: call %d of cost %d: %+v", a, i, cost, d)
			}
		}
	}
}

func TestACostThatCanNeverBeAdmittedIsRefusedClearly(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 5, Per: time.Minute})
	for _, cost := range []int64{6, math.MaxInt64, -1, math.MinInt64} {
		d := l.AllowN(user, cost)
		if d.OK || d.RetryAfter != 0 || !errors.Is(d.Err(), fault.InvalidArgument) || !strings.Contains(d.Err().Error(), "0 to 5") {
			t.Errorf("cost %d: %v", cost, d.Err())
		}
		if err := l.WaitN(context.Background(), user, cost); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("waiting with cost %d: %v", cost, err)
		}
		if r := l.Reserve(user, cost); r.OK {
			t.Errorf("cost %d was reserved", cost)
		}
	}
	if p := l.Peek(user); p.Remaining != 5 {
		t.Errorf("refused costs took something: %+v", p)
	}
}

func TestScenario49_ABucketCountsDownAndRefills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 10})
		for want := int64(9); want >= 0; want-- {
			if d := l.Allow(user); !d.OK || d.Remaining != want {
				t.Fatalf("want %d remaining: %+v", want, d)
			}
		}
		time.Sleep(300 * time.Millisecond)
		if d := l.Allow(user); d.OK || d.RetryAfter != 700*time.Millisecond {
			t.Errorf("%+v", d)
		}
		time.Sleep(time.Hour)
		if p := l.Peek(user); p.Remaining != 10 || p.ResetAfter != 0 {
			t.Errorf("after an hour: %+v", p)
		}
		if p := l.Peek(ratelimit.KeyOf("unknown")); p.Remaining != 10 || !p.OK {
			t.Errorf("an unknown key: %+v", p)
		}
	})
}

func TestScenario50_WaitsOfALeakyBucketGrowUpToTheLongest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 10, Per: time.Second, Burst: 3})
		for want := range 4 {
			if r := l.Reserve(user, 1); !r.OK || r.Delay() != time.Duration(want)*100*time.Millisecond {
				t.Errorf("reservation %d: %+v, %v", want, r.OK, r.Delay())
			}
		}
		if r := l.Reserve(user, 1); r.OK || r.Decision.RetryAfter == 0 {
			t.Errorf("a fifth call found a place: %+v", r)
		}
		time.Sleep(150 * time.Millisecond)
		if r := l.Reserve(user, 1); !r.OK || r.Delay() != 250*time.Millisecond {
			t.Errorf("after one has left: %v, %v", r.OK, r.Delay())
		}
		time.Sleep(time.Second)
		if p := l.Peek(user); !p.OK || p.Remaining != 3 {
			t.Errorf("it does not drain: %+v", p)
		}
	})
}

func TestScenario52_SpentKeysGoAndNoAnswerChanges(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Second})
		for i := range 2_000 {
			take(l, ratelimit.KeyOf(i), 1)
		}
		time.Sleep(time.Minute)
		busy := ratelimit.KeyOf("busy")
		take(l, busy, 2)
		for i := range 4_000 {
			take(l, ratelimit.KeyOf("new", i), 1)
		}
		if l.Allow(busy).OK {
			t.Error("a key that was in use was dropped")
		}
		st := l.Status()
		if st.Evictions < 1_500 || st.TrackedKeys > 4_600 {
			t.Errorf("%d of 2,000 spent keys went, %d are tracked", st.Evictions, st.TrackedKeys)
		}
	})
}

func TestScenario54_OverloadGetsTheLimitAndNeverNothing(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		l, admitted := must(t, ratelimit.Config{Algorithm: a, Limit: 100, Per: time.Second}), 0
		const windows = 50
		for range windows {
			within := 0
			for range 200 {
				within += take(l, user, 1)
				time.Sleep(5 * time.Millisecond)
			}
			if within == 0 {
				t.Fatal("a window admitted nobody")
			}
			admitted += within
		}
		if admitted < windows*90 || admitted > windows*100+200 {
			t.Errorf("%d calls in %d windows of 100", admitted, windows)
		}
	})
}

func TestScenario54b_AClockThatJumpsBackAdmitsNothingExtra(t *testing.T) {
	for _, a := range algorithms[:4] {
		l, admitted := must(t, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Minute}), 0
		now := clock.Instant(time.Hour)
		for i := range 1_000 {
			back := clock.Instant(time.Duration(i%7) * time.Minute)
			if d := l.AllowAt(now-back, user, 1); d.OK {
				admitted++
			}
		}
		if admitted != 10 {
			t.Errorf("%v: %d calls were admitted at jumping times", a, admitted)
		}
	}
}

func TestScenario54c_ALiveChangeKeepsWhatWasTaken(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		if a == ratelimit.LeakyBucket {
			return // it has no quota to keep, only a place
		}
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Hour})
		take(l, user, 8)
		change := func(limit int64) {
			if err := l.Reconfigure(ratelimit.Config{Algorithm: a, Limit: limit, Per: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		change(12)
		if p := l.Peek(user); p.Remaining != 4 || p.Limit != 12 {
			t.Errorf("raised to 12: %+v", p)
		}
		change(5)
		if p := l.Peek(user); p.OK || p.Remaining != 0 {
			t.Errorf("lowered to 5: %+v", p)
		}
		change(10)
		if got := take(l, user, 10); got != 2 {
			t.Errorf("back to 10, %d of 2 were left", got)
		}
		if l.Status().TrackedKeys != 1 {
			t.Errorf("%+v", l.Status())
		}
	})
}

func TestALiveChangeOfTheAlgorithmKeepsWhatWasTaken(t *testing.T) {
	for _, from := range algorithms[:4] {
		for _, to := range algorithms[:4] {
			synctest.Test(t, func(t *testing.T) {
				l := must(t, ratelimit.Config{Algorithm: from, Limit: 10, Per: time.Hour})
				take(l, user, 8)
				if err := l.Reconfigure(ratelimit.Config{Algorithm: to, Limit: 10, Per: time.Hour}); err != nil {
					t.Fatal(err)
				}
				if p := l.Peek(user); p.Remaining != 2 {
					t.Errorf("%v to %v: %d remain", from, to, p.Remaining)
				}
			})
		}
	}
}

func TestTheNewRateHoldsFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 10, Per: 10 * time.Second})
		take(l, user, 10)
		time.Sleep(3 * time.Second) // 3 came back at the old rate
		if err := l.Reconfigure(ratelimit.Config{Limit: 10, Per: 100 * time.Second}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) // 1 comes back at the new one
		if p := l.Peek(user); p.Remaining != 4 {
			t.Errorf("%d remain", p.Remaining)
		}
	})
}

func TestReconfigureRefusesFaultsAndIgnoresEqualConfigs(t *testing.T) {
	c := ratelimit.Config{Limit: 5}
	l := must(t, c)
	if err := l.Reconfigure(ratelimit.Config{Limit: 5, Per: -1}); !errors.Is(err, fault.InvalidConfig) || l.Status().Revision != 1 {
		t.Errorf("%v, %+v", err, l.Status())
	}
	if err := l.Reconfigure(c); err != nil || l.Status().Revision != 1 {
		t.Errorf("%v, %+v", err, l.Status())
	}
}

func TestScenario54d_ARefusalOfTheParentGivesTheChildsTokensBack(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		org := must(t, ratelimit.Config{Limit: 3, Per: time.Hour, Parts: 1})
		l := under(t, org, ratelimit.Config{Algorithm: a, Limit: 10, Per: time.Hour})
		alice, bob := ratelimit.KeyOf("acme", "alice"), ratelimit.KeyOf("acme", "bob")
		org.AllowN(alice, 3)
		before := l.Peek(bob)
		d := l.Allow(bob)
		if d.OK || !strings.Contains(d.Err().Error(), "20m") && d.RetryAfter != 20*time.Minute {
			t.Errorf("%+v", d)
		}
		org.Reset(alice, "")
		if after := l.Peek(bob); after.Remaining > before.Remaining+10 || !after.OK {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if got := l.Allow(bob); !got.OK {
			t.Errorf("the child's token is gone: %+v", got)
		}
	})
}

func TestParentsDecideTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := must(t, ratelimit.Config{Limit: 100, Per: time.Hour, Parts: -1})
		org := under(t, all, ratelimit.Config{Limit: 5, Per: time.Hour, Parts: 1})
		l := under(t, org, ratelimit.Config{Limit: 3, Per: time.Hour})
		alice, bob := ratelimit.KeyOf("acme", "alice"), ratelimit.KeyOf("acme", "bob")
		if take(l, alice, 9) != 3 || take(l, bob, 9) != 2 || take(l, ratelimit.KeyOf("other", "eve"), 1) != 1 {
			t.Error("a rule of the chain was not obeyed")
		}
		if p := all.Peek(alice); p.Remaining != 94 {
			t.Errorf("%d remain of everybody's 100", p.Remaining)
		}
		d := l.Allow(ratelimit.KeyOf("other", "eve"))
		d.Refund()
		if all.Peek(alice).Remaining != 94 || org.Peek(ratelimit.KeyOf("other")).Remaining != 4 {
			t.Error("a refund does not reach every rule")
		}
		if st := org.Status(); st.Allowed != 7 || st.Denied != 7 || len(org.Status().TopDenied) != 1 {
			t.Errorf("the parent counted %+v", st)
		}
		if l.Status().Parent != "rule" || l.Parent() != org {
			t.Error("the parent is not told")
		}
	})
}

func TestAParentMustNotBeADescendant(t *testing.T) {
	a := must(t, ratelimit.Config{Limit: 1})
	b := under(t, a, ratelimit.Config{Limit: 1})
	for _, p := range []*ratelimit.Limiter{a, b} {
		if err := a.SetParent(p); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("a circle was accepted: %v", err)
		}
	}
	if err := b.SetParent(nil); err != nil || b.Parent() != nil {
		t.Error("a parent cannot be removed")
	}
}

func TestScenario54e_ACapOfKeysGivesNoQuotaAndNoGrowth(t *testing.T) {
	eachAlgorithm(t, func(t *testing.T, a ratelimit.Algorithm) {
		const room = 100
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 2, Per: time.Hour, MaxKeys: room})
		for i := range room {
			take(l, ratelimit.KeyOf("old", i), 2)
		}
		admitted := 0
		for i := range 20_000 {
			admitted += take(l, ratelimit.KeyOf("new", i), 1)
		}
		st := l.Status()
		if st.TrackedKeys != room || st.Overflowed != 20_000 {
			t.Errorf("%+v", st)
		}
		if admitted > 2*1024 || admitted < 1_000 {
			t.Errorf("20,000 keys beyond the cap got %d calls of 1,024 buckets", admitted)
		}
		if take(l, ratelimit.KeyOf("old", 7), 1) != 0 {
			t.Error("a tracked key got new quota")
		}
	})
}

func TestAKeyThatLeavesTheOverflowKeepsWhatItTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 4, Per: time.Hour, MaxKeys: 1})
		first := ratelimit.KeyOf("first")
		take(l, first, 1)
		if take(l, user, 9) != 4 || l.Status().Overflowed != 9 {
			t.Fatal("it did not overflow")
		}
		_ = l.Reset(first, "")
		if take(l, user, 1) != 0 || l.Status().Overflowed != 9 {
			t.Error("entering the table gave free quota")
		}
	})
}

func TestReadingsOutOfOrderAreDecidedExactly(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Second, Burst: 2})
	now := clock.Now()
	for i, c := range []struct {
		late time.Duration
		want bool
	}{{0, true}, {time.Millisecond, false}, {0, true}, {0, false}, {-time.Second + 1, false}, {-time.Second, true}} {
		if d := l.AllowAt(now.Add(-c.late), user, 1); d.OK != c.want {
			t.Errorf("reading %d: %+v", i, d)
		}
	}
}

func TestModes(t *testing.T) {
	shadow := must(t, ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Shadow})
	for i := range 3 {
		d := shadow.Allow(user)
		if !d.OK || d.Err() != nil || d.WouldRefuse() != (i > 0) || (d.Refusal() != nil) != (i > 0) {
			t.Errorf("call %d in shadow mode: %+v", i, d)
		}
	}
	if st := shadow.Status(); st.Allowed != 1 || st.WouldRefuse != 2 || st.Denied != 0 {
		t.Errorf("%+v", st)
	}
	if d := shadow.Allow(user); d.Taken != 0 || d.Remaining != 0 || d.Limit != 1 || d.RetryAfter <= 0 {
		t.Errorf("a refusal in shadow mode shows %+v", d)
	}
	if r := shadow.Reserve(ratelimit.KeyOf("window"), 1); !r.OK || r.Delay() != 0 {
		t.Errorf("a reservation in shadow mode: %+v", r)
	}
	off := must(t, ratelimit.Config{Limit: 1, Per: time.Hour, Mode: mode.Off})
	if take(off, user, 9) != 9 || off.Status().TrackedKeys != 0 {
		t.Error("a limiter that is off decides")
	}
	if err := off.Reconfigure(ratelimit.Config{Limit: 1, Per: time.Hour}); err != nil || take(off, user, 9) != 1 {
		t.Error("a mode cannot be changed")
	}
}

func TestRefund(t *testing.T) {
	for _, a := range algorithms[:4] {
		synctest.Test(t, func(t *testing.T) {
			l := must(t, ratelimit.Config{Algorithm: a, Limit: 5, Per: time.Minute})
			l.AllowN(user, 2)
			d := l.AllowN(user, 3)
			copied := d
			d.Refund()
			d.Refund()
			if p := l.Peek(user); p.Remaining != 3 || d.Taken != 0 {
				t.Errorf("%v: %d remain after a refund of 3", a, p.Remaining)
			}
			take(l, user, 5)
			time.Sleep(3 * time.Minute)
			take(l, user, 5)
			copied.Refund()
			if p := l.Peek(user); p.Remaining != 0 {
				t.Errorf("%v: a refund leaked into a later window: %+v", a, p)
			}
			refused := l.Allow(user)
			refused.Refund()
			if l.Allow(user).OK {
				t.Errorf("%v: the refund of a refused call gave something", a)
			}
		})
	}
}

func TestAKeyOfNoPartsIsEverybodys(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 2, Per: time.Hour, Parts: -1})
	if take(l, user, 1)+take(l, ratelimit.KeyOf("x"), 1)+take(l, ratelimit.Key{}, 1) != 2 {
		t.Error("a rule with no parts has more than one bucket")
	}
}

func TestKnownKeysCostNoAllocation(t *testing.T) {
	parent := must(t, ratelimit.Config{Limit: 1 << 40, Parts: 1})
	for _, a := range algorithms {
		l := under(t, parent, ratelimit.Config{Algorithm: a, Limit: 1000, Per: time.Hour})
		id := uint64(1 << 40)
		allow := func() {
			d := l.Allow(ratelimit.KeyOf("user", id))
			if d.WouldRefuse() {
				t.Error("not in shadow mode")
			}
		}
		for range 2_000 { // the log grows, and refusals meet their key in the list of denied
			allow()
		}
		if got := testing.AllocsPerRun(500, allow); got != 0 && !testkit.Race {
			t.Errorf("%v: %v allocations a call", a, got)
		}
	}
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Hour})
	l.Allow(user)
	if got := testing.AllocsPerRun(100, func() { d := l.Allow(user); _ = d.Err() }); got > 2 && !testkit.Race {
		t.Errorf("a fault costs %v allocations", got)
	}
}

func TestErrSaysWhatDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := must(t, ratelimit.Config{Limit: 5, Per: time.Minute})
		take(l, user, 5)
		d := l.Allow(user)
		f := d.Refusal()
		if f.Name() != "rule" || f.Component() != "rate_limiter" || f.RetryAfter() != 12*time.Second {
			t.Errorf("%v", f)
		}
		want := "[remaining 0 of 5 cost 1 limit 5 window 60 seconds reset_after 60 seconds]"
		if got := fmt.Sprint(f.Evidence()); got != want {
			t.Errorf("got %s", got)
		}
	})
}

func TestTopDeniedFindsTheBusiest(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: 1, Per: time.Hour, Parts: 1})
	for i := range 1_000 {
		take(l, ratelimit.KeyOf(i, "x"), 3)
	}
	take(l, ratelimit.KeyOf("a b", "y"), 501)
	top := l.Status().TopDenied
	if len(top) != 64 || top[0].Key != "a%20b" || top[0].Denied-top[0].AtMost > 500 || top[0].Denied < 500 {
		t.Errorf("%+v", top)
	}
}
