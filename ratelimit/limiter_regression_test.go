package ratelimit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/internal/clock"
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
