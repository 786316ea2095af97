package detect_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// Whatever the evidence: the phases follow one another as they may, an alert lasts as long as
// it must, and no alert is raised without effect or calls.
func TestRule_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := newFeeder()
		f.rule.WarmUp, f.rule.Keep = rapid.IntRange(0, 5).Draw(t, "warm-up"), rapid.IntRange(0, 10).Draw(t, "keep")
		f.rule.AcceptAfter = rapid.IntRange(0, 20).Draw(t, "accept")
		before, alerting := detect.Learning, 0
		for range rapid.IntRange(1, 200).Draw(t, "ticks") {
			e := detect.Evidence{
				Usable: rapid.Bool().Draw(t, "usable"),
				Z:      rapid.SampledFrom([]float64{0, 1.9, 2.5, 4.5, 9, -3, math.Inf(1), math.Inf(-1), math.NaN()}).Draw(t, "z"),
				Seen:   rapid.SampledFrom([]float64{0.1, 0.2, math.NaN()}).Draw(t, "seen"), Expected: 0.1,
				Calls: rapid.SampledFrom([]uint64{0, 1, 1000}).Draw(t, "calls"),
			}
			d := f.observe(e)
			if d.Score < 0 || d.Score > 1 || math.IsNaN(d.Score) {
				t.Fatalf("score %v of %+v", d.Score, e)
			}
			want := map[detect.Change]detect.Phase{detect.Learned: detect.Normal, detect.Triggered: detect.Alerting, detect.Resolved: detect.Normal, detect.Accepted: detect.Normal, detect.Unchanged: before}
			if d.Phase != want[d.Change] {
				t.Fatalf("%v led from %v to %v", d.Change, before, d.Phase)
			}
			switch d.Change {
			case detect.Triggered:
				if before != detect.Normal || e.Seen != 0.2 || d.Calls < f.rule.MinCalls || d.Onset.IsZero() || d.Cause == detect.NoCause {
					t.Fatalf("triggered from %v by %+v: %+v", before, e, d)
				}
				alerting = 0
			case detect.Resolved:
				if alerting+1 < f.rule.Keep {
					t.Fatalf("resolved after %d ticks, want %d at least", alerting+1, f.rule.Keep)
				}
			default:
				alerting++
			}
			before = d.Phase
		}
	})
}

// More deviations are never a lower score.
func TestRule_ScoreIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := newFeeder(), newFeeder()
		a.calm(40)
		b.calm(40)
		z := rapid.Float64Range(-40, 40).Draw(t, "z")
		more := z + rapid.Float64Range(0, 40).Draw(t, "more")
		if low, high := a.deviate(z).Score, b.deviate(more).Score; low > high {
			t.Fatalf("%v deviations score %v, %v score %v", z, low, more, high)
		}
	})
}

// No count, however absurd, makes a number that is none.
func TestOperation_TakesAnyCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newService()
		count := rapid.SampledFrom([]uint64{0, 1, 2, 7, 100, 1e6, 1 << 40})
		for range rapid.IntRange(1, 150).Draw(t, "ticks") {
			for kind, d := range s.observe(count.Draw(t, "calls"), count.Draw(t, "errors"), rapid.SampledFrom([]float64{0, 0.001, 1, 1e9}).Draw(t, "d")) {
				for name, v := range map[string]float64{"z": d.Z, "score": d.Score, "seen": d.Seen, "expected": d.Expected} {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Fatalf("%v: %s is %v", detect.Kind(kind), name, v)
					}
				}
			}
		}
	})
}
