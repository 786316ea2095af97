package adaptive_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/internal/adaptive"
)

// Whatever happens, the limit stays within its bounds and no number is senseless.
func TestProperty_StaysWithinTheBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lowest := rapid.IntRange(1, 300).Draw(t, "min")
		w := newWorld(lowest, lowest+rapid.IntRange(0, 1000).Draw(t, "range"))
		for range rapid.IntRange(1, 40).Draw(t, "bursts") {
			x := adaptive.Sample{
				Took:     time.Duration(rapid.SampledFrom([]int64{-5, 0, 1, 1e3, 1e6, 1e9, 1e12, math.MaxInt64}).Draw(t, "took")),
				InFlight: rapid.SampledFrom([]int{0, 1, w.s.Limit / 2, w.s.Limit, 2 * w.s.Limit, math.MaxInt / 4}).Draw(t, "in flight"),
				TimedOut: rapid.Bool().Draw(t, "timed out"),
			}
			gap := time.Duration(rapid.SampledFrom([]int64{-1e9, 0, 1e5, 1e8, 1e10, 1e14}).Draw(t, "gap"))
			for range rapid.IntRange(1, 120).Draw(t, "calls") {
				w.now += gap
				w.s = w.m.Next(w.s, x, w.now)
				check(t, w)
			}
			if rapid.IntRange(0, 9).Draw(t, "rebound") == 0 {
				w.m.Min = rapid.IntRange(1, 300).Draw(t, "min")
				w.m.Max = w.m.Min + rapid.IntRange(0, 1000).Draw(t, "range")
				w.s = w.m.Rebound(w.s, w.now)
				check(t, w)
			}
		}
	})
}

func check(t *rapid.T, w *world) {
	if w.s.Limit < w.m.Min || w.s.Limit > w.m.Max {
		t.Fatalf("the limit is %d, and the bounds %d to %d", w.s.Limit, w.m.Min, w.m.Max)
	}
	if w.s.Latency < 0 || w.s.Baseline < 0 || !w.s.Reason.Known() {
		t.Fatalf("senseless: %+v", w.s)
	}
}

// draw is a dependency of any size.
func draw(t *rapid.T) dependency {
	return dependency{places: rapid.IntRange(1, 300).Draw(t, "places"), service: time.Duration(rapid.IntRange(1, 2000).Draw(t, "service")) * time.Millisecond}
}

// Lasting overload does not become normal: the limit is near the calls that the dependency
// works on at once, however long it lasts, also from a start under load.
func TestProperty_LastingOverloadDoesNotRaiseTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		d.timeout = d.service * time.Duration(rapid.SampledFrom([]int{0, 3, 4, 5, 8, 20}).Draw(t, "timeout")) / 2
		w := newWorld(1, 100_000)
		w.run(d, overload, 400) // up to 300 places take that long
		w.forget()
		w.run(d, overload, 200)
		if most := 5*d.places + 16; w.highest > most {
			t.Fatalf("%d places, a limit of %d to %d: %+v", d.places, w.lowest, w.highest, w.s)
		}
		if w.s.Reason != adaptive.Probe && w.s.Limit < d.places {
			t.Fatalf("%d places, a limit of %d: %+v", d.places, w.s.Limit, w.s)
		}
	})
}

// A capacity that falls and comes back, and a latency that rises for another reason than
// load, are both followed.
func TestProperty_Recovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t)
		w := newWorld(1, 100_000)
		w.run(d, overload, 400)
		changed := d
		if rapid.Bool().Draw(t, "capacity") {
			changed.places = max(1, d.places/rapid.IntRange(2, 10).Draw(t, "part"))
		} else {
			changed.delay = d.service * time.Duration(rapid.IntRange(1, 5).Draw(t, "delay"))
		}
		w.run(changed, overload, 200)
		if w.s.Reason != adaptive.Probe && w.s.Limit < changed.places {
			t.Fatalf("%+v: a limit of %d: %+v", changed, w.s.Limit, w.s)
		}
		w.run(d, overload, 400)
		if w.s.Reason != adaptive.Probe && w.s.Limit < d.places {
			t.Fatalf("%+v again: a limit of %d: %+v", d, w.s.Limit, w.s)
		}
	})
}
