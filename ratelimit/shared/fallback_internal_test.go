package shared

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

func newFallback(n int64) *fallback {
	return &fallback{name: "rule", instances: n, shares: make(map[ratelimit.Config]*share)}
}

func TestShares(t *testing.T) {
	for _, tc := range []struct{ limit, burst, n, wantLimit, wantBurst int64 }{
		{10, 5, 1, 10, 5}, {10, 5, 2, 5, 3}, {10, 5, 3, 4, 2}, {10, 5, 11, 1, 1}, {-1, 0, 3, -1, 0}, {7, 0, 2, 4, 0},
	} {
		got := divided(ratelimit.Config{Limit: tc.limit, Burst: tc.burst, Parts: 2}, tc.n)
		if got.Limit != tc.wantLimit || got.Burst != tc.wantBurst || got.Parts != 0 {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

func TestLimitsBeyondThoseWithAShareOfTheirOwnAreRoundedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFallback(1)
		limit := func(n int64) *ratelimit.Config { return &ratelimit.Config{Limit: n, Per: time.Second, Burst: n} }
		for n := range int64(mostShares) {
			if s, err := f.of(limit(n + 1)); err != nil || s.whole.Limit != n+1 {
				t.Fatalf("%d: %+v, %v", n+1, s, err)
			}
		}
		for n := range int64(5_000) {
			n += 1_000
			s, err := f.of(limit(n))
			if err != nil || s.whole.Limit > n || s.whole.Limit <= n/2 || s.whole.Burst != s.whole.Limit {
				t.Fatalf("%d: %+v, %v", n, s, err)
			}
		}
		if len(f.shares) > mostShares+5 {
			t.Errorf("%d shares", len(f.shares))
		}
		<-time.After(2 * time.Minute) // all is spent
		if s, err := f.of(limit(777)); err != nil || s.whole.Limit != 777 || len(f.shares) > 2 {
			t.Errorf("%+v, %v, %d shares", s, err, len(f.shares))
		}
	})
}

func TestAShareHasTheWindowsOfTheStore(t *testing.T) {
	for _, algorithm := range []ratelimit.Algorithm{ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.GCRA} {
		for _, now := range []clock.Instant{0, 1e9, -123456789012345, 987654321098765} {
			for _, reset := range []time.Duration{1, 100 * time.Millisecond, 999 * time.Millisecond, time.Second, 1700 * time.Millisecond} {
				s, err := newShare("rule", ratelimit.Config{Algorithm: algorithm, Limit: 5, Per: time.Second}, 1)
				if err != nil {
					t.Fatal(err)
				}
				s.align(now, reset)
				if algorithm == ratelimit.GCRA {
					if s.offset.Load() != 0 {
						t.Error("gcra has no windows")
					}
					continue
				}
				if end := time.Duration(s.at(now).Add(reset)) % time.Second; end != 0 {
					t.Errorf("%v at %d, reset after %v: a window of the share ends %v later", algorithm, now, reset, end)
				}
				before := s.offset.Load()
				if s.align(now.Add(time.Hour), reset-aligned); s.offset.Load() != before {
					t.Error("an answer that was long on its way moved the windows")
				}
				if s.align(now.Add(time.Hour), reset+time.Millisecond); s.offset.Load() != before-int64(time.Millisecond) {
					t.Error("a better answer did not move the windows")
				}
				if s.align(now, reset-2*aligned); s.offset.Load() != before+int64(2*aligned) {
					t.Error("the store's clock has another time and the windows stay")
				}
			}
		}
	}
}

func TestWhatTheStoreAdmitsIsDebited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFallback(2)
		c := &ratelimit.Config{Limit: 10, Per: time.Hour, Burst: 10}
		call := &ratelimit.RemoteCall{Config: c, Key: ratelimit.KeyOf("k"), Cost: 1, Now: clock.Now()}
		for _, step := range []struct{ taken, left int64 }{{0, 5}, {3, 2}, {4, 0}, {1, 0}} {
			f.mirror(call, &ratelimit.Decision{OK: true, Taken: step.taken})
			if d, err := f.peek(call); err != nil || d.Remaining != step.left {
				t.Errorf("after %d: %+v, %v", step.taken, d, err)
			}
		}
		f.divide(1)
		if d, _ := f.peek(call); d.Remaining != 5 {
			t.Errorf("alone: %+v", d)
		}
		f.reset(call)
		if d, _ := f.peek(call); d.Remaining != 10 {
			t.Errorf("after a reset: %+v", d)
		}
	})
}
