package shared

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

func TestHowManyTokensMayBeTakenAhead(t *testing.T) {
	gcra := func(limit, burst int64) ratelimit.Config {
		return ratelimit.Config{Limit: limit, Per: time.Second, Burst: burst}
	}
	window := ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 100, Per: time.Second}
	leaky := ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1_000, Per: time.Second, Burst: 1_000}
	for _, tc := range []struct {
		name      string
		prefetch  int64
		config    ratelimit.Config
		instances int64
		want      int64
	}{
		{"none", 0, gcra(1_000, 1_000), 1, 0},
		{"as said", 25, gcra(1_000, 1_000), 10, 25},
		{"a quarter of the limit for all", 1_000, gcra(1_000, 1_000), 10, 25},
		{"the burst is less", 1_000, gcra(1_000, 80), 10, 2},
		{"the limit is less", 1_000, gcra(80, 1_000), 10, 2},
		{"one token saves nothing", 1_000, gcra(79, 1_000), 10, 0},
		{"a window has no burst", 1_000, window, 5, 5},
		{"a leaky bucket spaces its calls", 10, leaky, 1, 0},
		{"a rule that refuses all", 10, gcra(-1, 0), 1, 0},
	} {
		if got := most(&Policy{Prefetch: tc.prefetch}, &tc.config, tc.instances); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestHotKeysAreFoundAmongManyThatComeOnce(t *testing.T) {
	var h heat
	once := uint64(0)
	cold := func() key.Hash { // all of one slot
		once++
		return key.Hash{Hi: once<<33 | 1, Lo: 7 + once*heatSlots}
	}
	busy := key.Hash{Hi: 1, Lo: 7}
	found := int64(0)
	for i := range 60 {
		found = max(found, h.note(busy, clock.Instant(i)))
		if i%2 == 0 {
			if n := h.note(cold(), clock.Instant(i)); n > 1 {
				t.Fatalf("a key that comes once was counted %d times", n)
			}
		}
	}
	if found < hot {
		t.Errorf("a key with two thirds of the calls was counted %d times", found)
	}
	if n := h.note(busy, clock.Instant(heatWindow)); n != 1 {
		t.Errorf("in the next window it was counted %d times", n)
	}
	for range 70_000 {
		h.note(busy, clock.Instant(heatWindow))
	}
	if n := h.note(busy, clock.Instant(heatWindow)); n != 0xffff {
		t.Errorf("the count is %d after it cannot rise", n)
	}
}
