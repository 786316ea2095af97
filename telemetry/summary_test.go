package telemetry_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

// buckets is a distribution whose records are all at the lower bounds of their buckets.
type buckets []struct {
	lower, upper time.Duration
	count        uint64
}

func (b buckets) Count() (n uint64) {
	for _, x := range b {
		n += x.count
	}
	return n
}

func (b buckets) Sum() (sum float64) {
	for _, x := range b {
		sum += x.lower.Seconds() * float64(x.count)
	}
	return sum
}

func (b buckets) Each(yield func(lower, upper float64, count uint64) bool) {
	for _, x := range b {
		if !yield(x.lower.Seconds(), x.upper.Seconds(), x.count) {
			return
		}
	}
}

func TestSummarize_TakesTheMiddleOfTheBucketOfEachQuantile(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		of   buckets
		want telemetry.Summary
	}{
		"nothing":         {nil, telemetry.Summary{}},
		"one record":      {buckets{{10 * ms, 12 * ms, 1}}, telemetry.Summary{Count: 1, Mean: 10 * ms, P50: 11 * ms, P95: 11 * ms, P99: 11 * ms}},
		"one nanosecond":  {buckets{{0, 1, 100}}, telemetry.Summary{Count: 100}},
		"one for each":    {buckets{{0, 1, 50}, {2 * ms, 4 * ms, 45}, {6 * ms, 8 * ms, 4}, {9 * ms, 11 * ms, 1}}, telemetry.Summary{Count: 100, Mean: 1230 * time.Microsecond, P95: 3 * ms, P99: 7 * ms}},
		"all in the last": {buckets{{1 * ms, 3 * ms, 1}, {5 * ms, 7 * ms, 999}}, telemetry.Summary{Count: 1000, Mean: 4996 * time.Microsecond, P50: 6 * ms, P95: 6 * ms, P99: 6 * ms}},
	} {
		if got := telemetry.Summarize(c.of); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}
