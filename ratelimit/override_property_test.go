package ratelimit_test

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// alone is the plain model of a key of a rule with overrides: a limiter for it alone, which is
// changed whenever what the key is counted by changes.
type alone struct {
	l      *ratelimit.Limiter
	exempt bool
}

// countedBy is what a key is counted by, as docs/rate-limits.md says.
func countedBy(c ratelimit.Config, o ratelimit.Override) ratelimit.Config {
	if o.Limit != 0 {
		c.Limit = o.Limit
	}
	if o.Per != 0 {
		c.Per = o.Per
	}
	switch {
	case o.Burst != 0:
		c.Burst = o.Burst
	case c.Limit < 0:
		c.Burst = 0
	}
	return c
}

func drawRule(t *rapid.T) ratelimit.Config {
	c := ratelimit.Config{
		Algorithm: rapid.SampledFrom(algorithms).Draw(t, "algorithm"),
		Limit:     rapid.SampledFrom([]int64{1, 2, 3, 7, 40}).Draw(t, "limit"),
		Per:       rapid.SampledFrom([]time.Duration{0, 7 * time.Second, time.Minute}).Draw(t, "per"),
		Parts:     rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(t, "parts"),
		MaxKeys:   rapid.SampledFrom([]int{0, 100}).Draw(t, "max_keys"),
	}
	if c.Algorithm == ratelimit.GCRA || c.Algorithm == ratelimit.LeakyBucket {
		c.Burst = rapid.SampledFrom([]int64{0, 0, 1, 5}).Draw(t, "burst")
	}
	return c
}

func drawOverrides(t *rapid.T, c ratelimit.Config, names []string) overrides {
	byKey := overrides{}
	for _, name := range names {
		o := ratelimit.Override{
			Limit: rapid.SampledFrom([]int64{0, 0, 1, 5, 50, -1}).Draw(t, "limit of "+name),
			Per:   rapid.SampledFrom([]time.Duration{0, 0, 7 * time.Second}).Draw(t, "per of "+name),
		}
		if (c.Algorithm == ratelimit.GCRA || c.Algorithm == ratelimit.LeakyBucket) && o.Limit >= 0 {
			o.Burst = rapid.SampledFrom([]int64{0, 0, 4}).Draw(t, "burst of "+name)
		}
		switch rapid.IntRange(0, 5).Draw(t, "kind of "+name) {
		case 0:
			byKey[name] = ratelimit.Override{Exempt: true}
		case 1, 2, 3:
			if o != (ratelimit.Override{}) {
				byKey[name] = o
			}
		}
	}
	return byKey
}

// A rule with overrides is, for every key, a rule of its own, whatever is changed meanwhile.
func TestPropertyOverridesAreRulesOfTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"a", "b", "c", "d", "e"}
		now := clock.Now()
		cfg := drawRule(t)
		byKey := overrides{}
		l := must(t, cfg)
		model := map[string]*alone{}
		// Another key has come and gone in the model: its limiter is changed as it would be.
		change := func(next ratelimit.Config, nextOverrides overrides) {
			if err := l.ChangeAt(now, next, nextOverrides); err != nil {
				t.Fatal(err)
			}
			for name, m := range model {
				o := nextOverrides[name]
				if m.exempt = o.Exempt; m.exempt {
					o = ratelimit.Override{}
				}
				if next.Parts != cfg.Parts {
					m.l = must(t, countedBy(next, o))
				} else if err := m.l.ReconfigureAt(now, countedBy(next, o)); err != nil {
					t.Fatal(err)
				}
			}
			cfg, byKey = next, nextOverrides
		}
		for _, name := range names {
			model[name] = &alone{l: must(t, cfg)}
		}
		compare := func(what, name string, got, want ratelimit.Decision) {
			if got.OK != want.OK || got.Limit != want.Limit || got.Remaining != want.Remaining || got.RetryAfter != want.RetryAfter ||
				got.ResetAfter != want.ResetAfter || got.Taken != want.Taken || got.Code() != want.Code() {
				t.Fatalf("%s %s under %+v, %+v:\ngot  %+v\nwant %+v", what, name, cfg, byKey[name], got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"time": func(t *rapid.T) {
				now = now.Add(rapid.SampledFrom([]time.Duration{1, time.Millisecond, 300 * time.Millisecond, time.Second, 7 * time.Second, time.Minute, 3 * time.Hour}).Draw(t, "step"))
			},
			"call": func(t *rapid.T) {
				name := rapid.SampledFrom(names).Draw(t, "name")
				cost := rapid.SampledFrom([]int64{1, 1, 1, 2, 5, 0, -1, 60}).Draw(t, "cost")
				k, m := ratelimit.KeyOf(name), model[name]
				d := l.AllowAt(now, k, cost)
				if m.exempt {
					if !d.OK || d.Source != ratelimit.Exempt || d.Taken != 0 {
						t.Fatalf("%s is exempt: %+v", name, d)
					}
					return
				}
				want := m.l.AllowAt(now, k, cost)
				compare("call", name, d, want)
				if rapid.IntRange(0, 4).Draw(t, "refund") == 0 {
					d.RefundAt(now)
					want.RefundAt(now)
				}
			},
			"rule":      func(t *rapid.T) { next := drawRule(t); change(next, drawOverrides(t, next, names)) },
			"overrides": func(t *rapid.T) { change(cfg, drawOverrides(t, cfg, names)) },
			"one override": func(t *rapid.T) {
				next := overrides{}
				maps.Copy(next, byKey)
				one := rapid.SampledFrom(names).Draw(t, "name")
				delete(next, one)
				maps.Copy(next, drawOverrides(t, cfg, []string{one}))
				change(cfg, next)
			},
			"none": func(*rapid.T) { change(cfg, nil) },
			"": func(*rapid.T) {
				for _, name := range names {
					if m := model[name]; !m.exempt {
						compare("peek", name, l.PeekAt(now, ratelimit.KeyOf(name), 1), m.l.PeekAt(now, ratelimit.KeyOf(name), 1))
					}
				}
			},
		})
	})
}
