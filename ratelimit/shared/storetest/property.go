package storetest

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/internal/model"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

var algorithms = []ratelimit.Algorithm{
	ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingWindow, ratelimit.SlidingLog, ratelimit.LeakyBucket,
}

// operations is how many a history has. With the 100 histories that rapid makes of each of the
// five algorithms, a run has 13,500.
const operations = 27

// history is a rule with two keys, what the model says of each, and the calls that may
// still be given back.
type history struct {
	Harness

	rule   shared.Rule
	keys   [2]ratelimit.Key
	models [2]model.Key
	open   []taken
	now    time.Duration
	whole  bool // a token takes a whole number of microseconds
}

type taken struct {
	key      int
	cost     int64
	decision ratelimit.Decision
	answer   model.Answer
}

// testModel performs random operations on the store and on the plain model, which is
// computed with fractions of unlimited size, and compares all numbers. Every history has a
// rule of its own and begins, at the beginning of a window, where the one before ended.
func testModel(t *testing.T, h Harness, a ratelimit.Algorithm) {
	t.Helper()
	histories, now := 0, time.Duration(0)
	rapid.Check(t, func(t *rapid.T) {
		histories++
		p := history{Harness: h, rule: shared.Rule{Name: "rule " + strconv.Itoa(histories), Config: drawConfig(t, a)}}
		c := p.rule.Config
		p.now = now - now%c.Per + c.Per
		p.keys = [2]ratelimit.Key{ratelimit.KeyOf("a"), ratelimit.KeyOf("b", 2)}
		p.models = [2]model.Key{model.New(c), model.New(c)}
		p.whole = c.Per%(time.Duration(c.Limit)*time.Microsecond) == 0
		for range operations {
			p.now += drawStep(t, c)
			now = p.now
			h.Set(p.now)
			p.step(t)
		}
	})
}

func (p *history) step(t *rapid.T) {
	k := rapid.IntRange(0, 1).Draw(t, "key")
	switch rapid.SampledFrom([]string{"take", "take", "take", "take", "peek", "undo", "refund", "refund", "reset"}).Draw(t, "what") {
	case "peek":
		cost := drawCost(t, p.rule.Config)
		d, err := p.Store.Peek(t.Context(), p.rule, p.keys[k], cost)
		p.compare(t, d, err, p.models[k].Peek(clock.Instant(p.now), cost))
	case "undo":
		if p.take(t, k) && p.rule.Config.Per/p.tick() >= time.Duration(p.rule.Config.Limit) {
			p.refund(t, len(p.open)-1)
		}
	case "refund":
		if len(p.open) > 0 && p.whole {
			p.refund(t, rapid.IntRange(0, len(p.open)-1).Draw(t, "which"))
		}
	case "reset":
		if rapid.IntRange(0, 3).Draw(t, "really") > 0 {
			return
		}
		if err := p.Store.Reset(t.Context(), p.rule, p.keys[k]); err != nil {
			t.Fatal(err)
		}
		p.models[k] = model.New(p.rule.Config)
		p.open = slices.DeleteFunc(p.open, func(o taken) bool { return o.key == k })
	default:
		p.take(t, k)
	}
}

// take reports whether the call took something.
func (p *history) take(t *rapid.T, k int) bool {
	cost := drawCost(t, p.rule.Config)
	d, err := p.Store.Take(t.Context(), p.rule, p.keys[k], cost)
	want := p.models[k].Allow(clock.Instant(p.now), cost)
	p.compare(t, d, err, want)
	if !d.OK || cost == 0 {
		return false
	}
	p.open = append(p.open, taken{k, cost, d, want})
	return true
}

// refund gives back a call, unless a store that knows when it was made would give back more.
func (p *history) refund(t *rapid.T, i int) {
	o := p.open[i]
	p.open = slices.Delete(p.open, i, i+1)
	m := p.models[o.key]
	if !m.Plain(clock.Instant(p.now), o.cost, o.answer) {
		return
	}
	if err := p.Store.Refund(t.Context(), p.rule, p.keys[o.key], o.decision); err != nil {
		t.Fatal(err)
	}
	m.Refund(clock.Instant(p.now), o.cost, o.answer)
}

func (p *history) compare(t *rapid.T, d ratelimit.Decision, err error, want model.Answer) {
	want = want.Numbers()
	want.RetryAfter, want.ResetAfter = p.told(want.RetryAfter), p.told(want.ResetAfter)
	got := model.Answer{OK: d.OK, Remaining: d.Remaining, RetryAfter: d.RetryAfter, ResetAfter: d.ResetAfter}
	if err != nil || got != want {
		t.Fatalf("%+v at %v:\ngot  %+v, %v\nwant %+v", p.rule, p.now, got, err, want)
	}
}

// drawConfig draws small rules, odd ones, and great ones, all of them in microseconds.
func drawConfig(t *rapid.T, a ratelimit.Algorithm) ratelimit.Config {
	most := int64(1_000_000_000)
	if a == ratelimit.SlidingLog {
		most = 10_000
	}
	limits := rapid.OneOf(rapid.Int64Range(1, 12), rapid.SampledFrom([]int64{100, 999, min(999_983, most), most}))
	pers := rapid.OneOf(
		rapid.Map(rapid.IntRange(1, 90), func(n int) time.Duration { return time.Duration(n) * time.Second }),
		rapid.Map(rapid.IntRange(1, 20), func(n int) time.Duration { return time.Duration(n) * time.Microsecond }),
		rapid.SampledFrom([]time.Duration{time.Millisecond, 2520 * time.Millisecond, time.Hour}),
	)
	c := ratelimit.Config{Algorithm: a, Limit: limits.Draw(t, "limit"), Per: pers.Draw(t, "per")}
	if (a == ratelimit.GCRA || a == ratelimit.LeakyBucket) && rapid.Bool().Draw(t, "has burst") {
		c.Burst = rapid.Int64Range(1, 12).Draw(t, "burst")
	}
	return c
}

// drawStep draws for how long nothing happens.
func drawStep(t *rapid.T, c ratelimit.Config) time.Duration {
	token := max(time.Duration(int64(c.Per)/c.Limit), time.Microsecond)
	steps := rapid.OneOf(
		rapid.Just(time.Duration(0)), rapid.Just(time.Duration(0)), rapid.Just(time.Microsecond), rapid.Just(token), rapid.Just(token-time.Microsecond), rapid.Just(token/3),
		rapid.Map(rapid.IntRange(0, 99), func(percent int) time.Duration { return c.Per / 100 * time.Duration(percent) }),
		rapid.Just(c.Per),
	)
	return steps.Draw(t, "step").Truncate(time.Microsecond)
}

func drawCost(t *rapid.T, c ratelimit.Config) int64 {
	capacity := c.Limit
	if c.Burst > 0 {
		capacity = c.Burst
	}
	return rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(0, min(capacity, 5)), rapid.Int64Range(0, capacity)).Draw(t, "cost")
}
