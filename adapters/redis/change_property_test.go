package redis_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// A rule that changes at random, in all that it has, leaves of a key what it leaves
// of one that the local limiter counts.
func TestPropertyARuleThatChangesKeepsWhatALimiterKeeps(t *testing.T) {
	s, now := timed(t, single(t).URL(), time.Nanosecond)
	histories := 0
	rapid.Check(t, func(t *rapid.T) {
		histories++
		rule := shared.Rule{Name: "rule " + strconv.Itoa(histories), Config: drawConfig(t)}
		local, err := ratelimit.New("rule", rule.Config)
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			now.Add(int64(rapid.SampledFrom([]time.Duration{0, 0, 1, time.Millisecond, time.Second, rule.Config.Per / 3, rule.Config.Per}).Draw(t, "step")))
			if rapid.IntRange(0, 3).Draw(t, "change") == 0 {
				rule.Config = drawConfig(t)
				if err := local.ReconfigureAt(clock.Instant(now.Load()), rule.Config); err != nil {
					t.Fatal(err)
				}
			}
			cost := rapid.Int64Range(0, 5).Draw(t, "cost")
			var want ratelimit.Decision
			if _, err := local.Admit(t.Context(), &want, clock.Instant(now.Load()), &user, cost, -1); err != nil {
				t.Fatal(err)
			}
			got, err := s.Take(t.Context(), rule, user, cost)
			if err != nil {
				t.Fatal(err)
			}
			if got.OK != want.OK || got.Remaining != want.Remaining || got.RetryAfter != want.RetryAfter || got.ResetAfter != want.ResetAfter || got.Limit != want.Limit {
				t.Fatalf("%+v, a cost of %d at %d:\ngot  %+v\nwant %+v", rule, cost, now.Load(), got, want)
			}
		}
	})
}

func drawConfig(t *rapid.T) ratelimit.Config {
	a := rapid.SampledFrom([]ratelimit.Algorithm{
		ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog, ratelimit.LeakyBucket,
	}).Draw(t, "algorithm")
	c := ratelimit.Config{
		Algorithm: a, Limit: rapid.OneOf(rapid.Int64Range(1, 12), rapid.SampledFrom([]int64{100, 999})).Draw(t, "limit"),
		Per: rapid.SampledFrom([]time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour}).Draw(t, "per"),
	}
	if (a == ratelimit.GCRA || a == ratelimit.LeakyBucket) && rapid.Bool().Draw(t, "has burst") {
		c.Burst = rapid.Int64Range(1, 20).Draw(t, "burst")
	}
	return c
}
