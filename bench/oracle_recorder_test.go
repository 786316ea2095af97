package main

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// The recorder and HdrHistogram see the same durations: their quantiles differ by no more
// than the errors of both.
func TestRecorder_AgreesWithHdrHistogram(t *testing.T) {
	const longest = 68 * time.Second
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		m := must(perf.New(perf.Config{}, perf.Options{}))
		op, theirs := m.Operation("x"), hdrhistogram.New(1, int64(longest), 3)
		spread := 0.1 + 3*r.Float64()
		for range 1 + r.IntN(20_000) {
			d := min(longest, max(1, time.Duration(5e6*math.Exp(spread*r.NormFloat64()))))
			op.Record(d, outcome.Success)
			if err := theirs.RecordValue(int64(d)); err != nil {
				t.Fatal(err)
			}
		}
		ours := must(m.Snapshot("op:x"))
		if ours.Measured() != uint64(theirs.TotalCount()) {
			t.Fatalf("round %d: %d and %d records", round, ours.Measured(), theirs.TotalCount())
		}
		for _, q := range []float64{0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
			n := float64(theirs.TotalCount())
			rank := max(1, math.Ceil(q*n)) // theirs rounds it to the nearest
			a, b := float64(ours.Quantile(q)), float64(theirs.ValueAtQuantile(100*rank/n))
			if off := math.Abs(a-b) / b; off > ours.Error()+0.001 && b > 64 {
				t.Errorf("round %d: quantile %v is %v here and %v there: %.4f apart", round, q, time.Duration(a), time.Duration(b), off)
			}
		}
	}
}
