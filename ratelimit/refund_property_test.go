package ratelimit_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// happened is a call that was admitted and not given back: when it went, and what
// it cost.
type happened struct {
	at   clock.Instant
	cost int64
}

// between is a time in fractions of unlimited size.
func between(from, to clock.Instant) *big.Rat {
	return new(big.Rat).SetInt(new(big.Int).Sub(big.NewInt(int64(to)), big.NewInt(int64(from))))
}

func rat(v int64) *big.Rat { return new(big.Rat).SetInt64(v) }

// excess returns the calls of an interval that holds more than the rule promises,
// by nothing but the promise: no state, no receipts.
func excess(c ratelimit.Config, calls []happened) []happened {
	calls = slices.Clone(calls)
	slices.SortStableFunc(calls, func(a, b happened) int { return int(min(max(a.at.Sub(b.at), -1), 1)) })
	for i := range calls {
		sum := new(big.Int)
		for k := i; k < len(calls); k++ {
			sum.Add(sum, big.NewInt(calls[k].cost))
			if new(big.Rat).SetInt(sum).Cmp(promised(c, calls[i], calls[k])) > 0 {
				return calls[i : k+1]
			}
		}
	}
	return nil
}

// promised is the most that calls from the first to the last may cost together.
func promised(c ratelimit.Config, first, last happened) *big.Rat {
	span, limit := between(first.at, last.at), rat(c.Limit)
	gained := new(big.Rat).Mul(span, big.NewRat(c.Limit, int64(c.Per)))
	switch c.Algorithm {
	case ratelimit.GCRA:
		if c.Burst == 0 {
			return gained.Add(gained, limit)
		}
		return gained.Add(gained, rat(c.Burst))
	case ratelimit.LeakyBucket: // a call takes its own time, and the next comes after
		return gained.Add(gained, rat(last.cost))
	case ratelimit.SlidingLog:
		if span.Cmp(rat(int64(c.Per))) < 0 {
			return limit
		}
	case ratelimit.FixedWindow:
		if windowOf(c, first) == windowOf(c, last) {
			return limit
		}
	case ratelimit.SlidingWindow: // promises less than this of an interval, and exactly this of a window
		if windowOf(c, first) == windowOf(c, last) {
			return limit
		}
	}
	return new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 200))
}

func windowOf(c ratelimit.Config, h happened) int64 {
	q, _ := new(big.Int).DivMod(big.NewInt(int64(h.at)), big.NewInt(int64(c.Per)), new(big.Int))
	return q.Int64()
}

// pending is a call that may still be given back, decided by the limiter and by
// the store that must agree with it.
type pending struct {
	happened
	decision ratelimit.Decision
}

// drawBusy draws mostly rules so small that calls are soon refused.
func drawBusy(t *rapid.T, a ratelimit.Algorithm) ratelimit.Config {
	if rapid.IntRange(0, 3).Draw(t, "any rule") == 0 {
		return drawConfig(t, a)
	}
	c := ratelimit.Config{Algorithm: a, Limit: rapid.Int64Range(1, 5).Draw(t, "limit"), Per: time.Second}
	return c
}

// Whatever is given back, whenever and in whatever order: no interval holds more
// than the rule promises.
func TestPropertyRefundsInAnyOrderNeverAdmitMoreThanTheRule(t *testing.T) {
	for _, a := range algorithms {
		t.Run(a.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				cfg := drawBusy(t, a)
				now := clock.Instant(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "start"))
				l := must(t, cfg)
				var open []pending
				var done []happened
				for range rapid.IntRange(1, 80).Draw(t, "steps") {
					if rapid.Bool().Draw(t, "time passes") {
						if next := now.Add(drawStep(t, cfg) / time.Duration(rapid.IntRange(1, 3).Draw(t, "share"))); next < 1<<62 {
							now = next
						}
					}
					if len(open) > 0 && rapid.IntRange(0, 2).Draw(t, "what") == 0 {
						i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
						open[i].decision.RefundAt(now)
						open = slices.Delete(open, i, i+1)
						continue
					}
					cost := drawCost(t, cfg)
					d := l.AllowAt(now, user, cost)
					if !d.OK || cost == 0 {
						continue
					}
					if call := (happened{now, cost}); rapid.IntRange(0, 3).Draw(t, "may come back") > 0 {
						open = append(open, pending{call, d})
					} else {
						done = append(done, call)
					}
				}
				for _, p := range open {
					done = append(done, p.happened)
				}
				if over := excess(cfg, done); over != nil {
					t.Fatalf("%+v admitted %v", cfg, over)
				}
			})
		})
	}
}

// reserved is a turn that may still be given back.
type reserved struct {
	happened
	r ratelimit.Reservation
}

// The same with turns in the future, which count at the time at which they come.
func TestPropertyCancelsInAnyOrderNeverGiveATurnTwice(t *testing.T) {
	for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.LeakyBucket} {
		t.Run(a.String(), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				cfg := ratelimit.Config{ // turns are whole nanoseconds
					Algorithm: a, Limit: rapid.Int64Range(1, 9).Draw(t, "limit"), Per: 2520 * time.Millisecond, Burst: rapid.Int64Range(1, 6).Draw(t, "burst"),
				}
				l, now, token := must(t, cfg), clock.Instant(0), cfg.Per/time.Duration(cfg.Limit)
				var open []reserved
				var done []happened
				for range rapid.IntRange(1, 80).Draw(t, "steps") {
					now = now.Add(token * time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 4, 8}).Draw(t, "quarters")) / 4)
					if len(open) > 0 && rapid.Bool().Draw(t, "cancel") {
						i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
						if c := &open[i]; rapid.IntRange(0, 3).Draw(t, "by receipt") == 0 {
							c.r.Decision.RefundAt(now)
						} else if c.r.CancelAt(now); c.at < now {
							done = append(done, c.happened) // it has gone
						}
						open = slices.Delete(open, i, i+1)
						continue
					}
					cost := rapid.Int64Range(1, cfg.Burst).Draw(t, "cost")
					var r ratelimit.Reservation
					if rapid.IntRange(0, 3).Draw(t, "at once") == 0 {
						r.Decision = l.AllowAt(now, user, cost)
						r.OK = r.Decision.OK
					} else {
						r = l.ReserveAt(now, user, cost)
					}
					if r.OK {
						open = append(open, reserved{happened{now.Add(r.DelayAt(now)), cost}, r})
					}
				}
				for _, c := range open {
					done = append(done, c.happened)
				}
				if over := excess(cfg, done); over != nil {
					t.Fatalf("%+v gave out %v", cfg, over)
				}
			})
		})
	}
}

// What is given back at the moment at which it was taken leaves no trace.
func TestPropertyRefundsAtOnceLeaveNoTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawConfig(t, rapid.SampledFrom(algorithms).Draw(t, "algorithm"))
		l, now := must(t, cfg), clock.Instant(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "start"))
		for range rapid.IntRange(0, 3).Draw(t, "before") {
			l.AllowAt(now, user, drawCost(t, cfg))
			now = now.Add(min(drawStep(t, cfg), 1<<40))
		}
		before := l.PeekAt(now, user, 1)
		var open []ratelimit.Decision
		for range rapid.IntRange(1, 8).Draw(t, "calls") {
			if d := l.AllowAt(now, user, drawCost(t, cfg)); d.OK {
				open = append(open, d)
			}
		}
		for _, d := range rapid.Permutation(open).Draw(t, "order") {
			d.RefundAt(now)
		}
		after := l.PeekAt(now, user, 1)
		if after.OK != before.OK || after.Remaining != before.Remaining || after.RetryAfter != before.RetryAfter || after.ResetAfter != before.ResetAfter {
			t.Fatalf("before %+v\nafter  %+v", before, after)
		}
	})
}
