package breaker

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/clock"
)

func anyConfig(t *rapid.T) Config {
	c := Config{
		FailureThreshold:    rapid.IntRange(0, 5).Draw(t, "failure_threshold"),
		ConsecutiveFailures: rapid.IntRange(0, 5).Draw(t, "consecutive_failures"),
		FailureRatio:        rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(t, "failure_ratio"),
		MinCalls:            rapid.IntRange(0, 5).Draw(t, "min_calls"),
		CooldownGrowth:      rapid.Float64Range(1, 10).Draw(t, "growth"),
		Jitter:              rapid.Float64Range(0, 1).Draw(t, "jitter"),
		Probes:              rapid.IntRange(0, 4).Draw(t, "probes"),
		ProbeSuccesses:      rapid.IntRange(0, 4).Draw(t, "probe_successes"),
		Ramp:                time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "ramp")),
	}
	if rapid.Bool().Draw(t, "slow") {
		c.SlowRatio, c.SlowAfter = 0.5, time.Second
	}
	return c
}

func anyMachine(t *rapid.T) machine {
	return machine{
		state:      State(rapid.IntRange(0, 2).Draw(t, "state")),
		generation: rapid.Uint64().Draw(t, "generation"),
		since:      clock.Instant(rapid.Int64().Draw(t, "since")),
		until:      clock.Instant(rapid.Int64().Draw(t, "until")),
		ramping:    rapid.Bool().Draw(t, "ramping"),
		streak:     rapid.Uint32Range(0, 1<<20).Draw(t, "streak"),
		cooldown:   time.Duration(rapid.Int64Range(0, int64(maxCooldown)).Draw(t, "cooldown")),
		probes:     rapid.IntRange(0, 4).Draw(t, "probes in flight"),
		successes:  rapid.IntRange(0, 4).Draw(t, "successes"),
	}
}

func anyTotals(t *rapid.T) totals {
	return totals{
		failures: rapid.IntRange(0, 6).Draw(t, "failures"), consecutive: rapid.IntRange(0, 6).Draw(t, "consecutive"),
		calls: rapid.Uint64Range(0, 10).Draw(t, "calls"), failed: rapid.Uint64Range(0, 10).Draw(t, "failed"), slow: rapid.Uint64Range(0, 10).Draw(t, "slow"),
	}
}

// What the path without lock and clock rests on.
func TestStepOfASuccessWhileClosedIsTheIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rules{Config: anyConfig(t).withDefaults()}
		m := anyMachine(t)
		m.state = StateClosed
		now := clock.Instant(rapid.Int64().Draw(t, "now"))
		for _, kind := range []eventKind{onSuccess, onIgnored, onLost} {
			if got := r.step(m, event{kind: kind, draw: 0.5}, anyTotals(t), now); got != m {
				t.Fatalf("event %d: %+v became %+v", kind, m, got)
			}
		}
	})
}

// step answers every event in every state, keeps the machine legal, and changes
// the generation exactly when it changes the state.
func TestStepIsTotalAndLegal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rules{Config: anyConfig(t).withDefaults()}
		m, now := anyMachine(t), clock.Instant(rapid.Int64().Draw(t, "now"))
		e := event{eventKind(rapid.IntRange(0, int(onSuspend)).Draw(t, "event")), rapid.Float64Range(0, 1).Draw(t, "draw")}
		got := r.step(m, e, anyTotals(t), now)
		if got != r.step(m, e, anyTotals(t), now) && m.state != StateClosed {
			t.Fatal("not a function")
		}
		if got.state > StateHalfOpen {
			t.Fatalf("illegal %+v", got)
		}
		fresh := e.kind == onReset || e.kind == onSuspend
		reopened := m.state == StateHalfOpen && got.state == StateOpen
		if changed := got.state != m.state || reopened || fresh; changed != (got.generation != m.generation) {
			t.Fatalf("%+v became %+v", m, got)
		}
		if m.state == StateHalfOpen && e.kind == onCall && m.probes >= r.Probes && got != m {
			t.Fatalf("%d probes of %d became %d", m.probes, r.Probes, got.probes)
		}
		if opened := got.state == StateOpen && m.state != StateOpen; opened && (got.cooldown < r.Cooldown || float64(got.cooldown) > float64(r.CooldownMax)*(1+r.Jitter)) {
			t.Fatalf("cooldown %v", got.cooldown)
		}
	})
}

func TestCooldownFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &rules{Config: anyConfig(t).withDefaults()}
		streak, draw := rapid.Uint32Range(0, 50).Draw(t, "n"), rapid.Float64Range(0, 1).Draw(t, "drawn")
		want := math.Min(float64(r.Cooldown)*math.Pow(r.CooldownGrowth, float64(streak)), float64(r.CooldownMax)) * (1 + r.Jitter*draw)
		if got := float64(r.cooldownOf(streak, draw)); math.Abs(got-want) > want*1e-9+1 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// The ring is exact at every moment, for any order of arrival.
func TestRingCountsExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newRing(rapid.IntRange(1, 8).Draw(t, "n"))
		window := time.Duration(rapid.Int64Range(1, 20).Draw(t, "window"))
		var model []clock.Instant
		now := clock.Instant(rapid.Int64Range(-50, 50).Draw(t, "start"))
		for range rapid.IntRange(0, 30).Draw(t, "events") {
			now += clock.Instant(rapid.Int64Range(-2, 10).Draw(t, "step"))
			r.add(now)
			if len(model) > 0 {
				now = max(now, slices.Max(model))
			}
			model = append(model, now)
			want := 0
			for _, at := range model[max(0, len(model)-r.cap):] {
				if now.Sub(at) < window {
					want++
				}
			}
			if got := r.within(now, window); got != want {
				t.Fatalf("%d failures within %v, want %d of %v at %v", got, window, want, model, now)
			}
		}
	})
}

// A call counts for at least 31/32 of the window and never for longer than it.
func TestBucketsKeepTheirPrecision(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		window := time.Duration(rapid.Int64Range(int64(minDuration), int64(maxDuration)).Draw(t, "window"))
		b := newBuckets(window, rapid.Bool().Draw(t, "single"))
		type call struct {
			at           clock.Instant
			failed, slow bool
		}
		var model []call
		now := clock.Instant(rapid.Int64Range(-int64(maxDuration), int64(maxDuration)).Draw(t, "start"))
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(window)/4).Draw(t, "step")))
			c := call{now, rapid.Bool().Draw(t, "failed"), rapid.Bool().Draw(t, "slow")}
			b.add(now, c.failed, c.slow)
			model = append(model, c)
			var least, most [3]uint64
			for _, c := range model {
				for i, hit := range []bool{true, c.failed, c.slow} {
					age := now.Sub(c.at)
					if hit && age < window {
						most[i]++
					}
					if hit && age < window/32*31 {
						least[i]++
					}
				}
			}
			calls, failed, slow := b.sums(now)
			for i, got := range [3]uint64{calls, failed, slow} {
				if got < least[i] || got > most[i] {
					t.Fatalf("count %d is %d, want %d to %d", i, got, least[i], most[i])
				}
			}
		}
	})
}
