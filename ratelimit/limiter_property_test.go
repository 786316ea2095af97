package ratelimit_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/internal/model"
)

var algorithms = []ratelimit.Algorithm{
	ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog, ratelimit.LeakyBucket,
}

// under returns a limiter below a parent.
func under(t *testing.T, parent *ratelimit.Limiter, cfg ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l := must(t, cfg)
	if err := l.SetParent(parent); err != nil {
		t.Fatal(err)
	}
	return l
}

func must(t interface {
	Helper()
	Fatal(args ...any)
}, cfg ratelimit.Config, opts ...ratelimit.Option,
) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New("rule", cfg, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// drawConfig draws small rules, odd ones, and the ends of the types.
func drawConfig(t *rapid.T, algorithm ratelimit.Algorithm) ratelimit.Config {
	limits := rapid.OneOf(rapid.Int64Range(1, 12), rapid.SampledFrom([]int64{999, 1000, 999_983, 50_000_000, 1 << 40, 1<<63 - 1}))
	pers := rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 90), func(n int) time.Duration { return time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(1, 20), func(n int) time.Duration { return time.Duration(n) }),
		rapid.SampledFrom([]time.Duration{time.Millisecond, 7 * time.Hour, 1<<63 - 1}),
	)
	c := ratelimit.Config{Algorithm: algorithm, Limit: limits.Draw(t, "limit"), Per: pers.Draw(t, "per")}
	if (algorithm == ratelimit.GCRA || algorithm == ratelimit.LeakyBucket) && rapid.Bool().Draw(t, "has burst") {
		c.Burst = limits.Draw(t, "burst")
	}
	return c
}

func drawStep(t *rapid.T, c ratelimit.Config) time.Duration {
	token := max(time.Duration(int64(c.Per)/c.Limit), 1)
	steps := rapid.OneOf(
		rapid.Just(time.Duration(0)), rapid.Just(time.Duration(1)), rapid.Just(token), rapid.Just(token-1),
		rapid.Map(rapid.IntRange(0, 300), func(percent int) time.Duration { return c.Per / 100 * time.Duration(percent%100) }),
		rapid.Just(c.Per),
	)
	return steps.Draw(t, "step")
}

func drawCost(t *rapid.T, c ratelimit.Config) int64 {
	capacity := c.Limit
	if c.Burst > 0 {
		capacity = c.Burst
	}
	return rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(0, min(capacity, 5)), rapid.Int64Range(0, capacity)).Draw(t, "cost")
}

func compare(t *rapid.T, what string, d ratelimit.Decision, want model.Answer) {
	t.Helper()
	got := model.Answer{OK: d.OK, Remaining: d.Remaining, RetryAfter: d.RetryAfter, ResetAfter: d.ResetAfter}
	if want.RetryAfter < 0 || want.ResetAfter < 0 {
		t.Fatalf("the model is wrong: %+v", want)
	}
	if got != want.Numbers() {
		t.Fatalf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}

func testAgainstModel(t *testing.T, algorithm ratelimit.Algorithm) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t, algorithm)
		l, keys := must(t, cfg), []ratelimit.Key{ratelimit.KeyOf("a"), ratelimit.KeyOf("b", 2)}
		models := []model.Key{model.New(cfg), model.New(cfg)}
		now := clock.Instant(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "start"))
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			if next := now.Add(drawStep(t, cfg)); next < 1<<62 {
				now = next
			}
			i, cost := rapid.IntRange(0, 1).Draw(t, "key"), drawCost(t, cfg)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				p := l.PeekAt(now, keys[i], 1)
				want := models[i].Peek(now, 1)
				compare(t, "peek", p, want)
			case 1:
				d, want := l.AllowAt(now, keys[i], cost), models[i].Allow(now, cost)
				compare(t, "allow to refund", d, want)
				if d.OK && cost > 0 {
					d.RefundAt(now)
					models[i].Refund(now, cost, want)
				}
			case 2:
				_ = l.Reset(keys[i], "")
				models[i] = model.New(cfg)
			default:
				compare(t, "allow", l.AllowAt(now, keys[i], cost), models[i].Allow(now, cost))
			}
		}
	})
}

func TestPropertyGCRAIsATokenBucket(t *testing.T)    { testAgainstModel(t, ratelimit.GCRA) }
func TestPropertyFixedWindowIsItsModel(t *testing.T) { testAgainstModel(t, ratelimit.FixedWindow) }

func TestPropertySlidingWindowIsItsModel(t *testing.T) { testAgainstModel(t, ratelimit.SlidingWindow) }
func TestPropertySlidingLogIsItsModel(t *testing.T)    { testAgainstModel(t, ratelimit.SlidingLog) }
func TestPropertyLeakyBucketIsItsModel(t *testing.T)   { testAgainstModel(t, ratelimit.LeakyBucket) }

// Whatever is refused is admitted exactly RetryAfter later and not before.
func TestPropertyRetryAfterIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t, rapid.SampledFrom(algorithms).Draw(t, "algorithm"))
		l, k := must(t, cfg), ratelimit.KeyOf("k")
		now := clock.Instant(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "start"))
		for range 30 {
			cost := drawCost(t, cfg)
			d := l.AllowAt(now, k, cost)
			if !d.OK {
				if d.RetryAfter <= 0 {
					t.Fatalf("refused without a time to retry: %+v", d)
				}
				if at := now.Add(d.RetryAfter); d.RetryAfter < 1<<63-1 && at < clock.Max { // not cut off
					if early := l.AllowAt(at-1, k, cost); early.OK {
						t.Fatalf("admitted a nanosecond before RetryAfter %v", d.RetryAfter)
					}
					if late := l.AllowAt(at, k, cost); !late.OK {
						t.Fatalf("refused after RetryAfter %v: %+v", d.RetryAfter, late)
					}
					now = at
				}
			}
			if next := now.Add(drawStep(t, cfg)); next < 1<<62 {
				now = next
			}
		}
	})
}

// What Space-Saving promises, under any mix of keys: every count lies between the
// truth and the truth and its possible error, and no frequent key is missing.
func TestTopDeniedKeepsItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := must(t, ratelimit.Config{Limit: -1, Per: time.Hour})
		spread := rapid.IntRange(1, 400).Draw(t, "spread")
		seed := rapid.Uint64().Draw(t, "seed")
		r, truth, all := rand.New(rand.NewPCG(seed, 0)), map[string]uint64{}, uint64(0)
		for range rapid.IntRange(0, 3000).Draw(t, "refusals") {
			k := ratelimit.KeyOf(int(r.ExpFloat64() * float64(spread)))
			l.Allow(k)
			truth[k.Text()]++
			all++
		}
		top, sum := map[string]bool{}, uint64(0)
		for _, d := range l.Status().TopDenied {
			if n := truth[d.Key]; d.Denied < n || d.Denied-d.AtMost > n || top[d.Key] {
				t.Fatalf("%s was denied %d times, and is listed with %d, of which %d may be too many", d.Key, n, d.Denied, d.AtMost)
			}
			top[d.Key] = true
			sum += d.Denied
		}
		for k, n := range truth {
			if n > all/64 && !top[k] {
				t.Fatalf("%s was denied %d times of %d and is not listed", k, n, all)
			}
		}
		if sum != all {
			t.Fatalf("%d refusals are listed as %d", all, sum)
		}
	})
}
