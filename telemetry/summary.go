package telemetry

import (
	"math"
	"time"
)

// Summary sums up many durations: their number, mean, median, and the values below
// which 95 and 99 in a hundred of them lie. All are 0 if there are none.
type Summary struct {
	Count         uint64
	Mean          time.Duration
	P50, P95, P99 time.Duration
}

// Summarize sums up a distribution in seconds. A quantile is the middle of the
// bucket that it lies in; the buckets of this project's parts are at most 1/32 of
// their lower bound wide, so theirs are exact to 1/64.
func Summarize(d Distribution) Summary {
	s := Summary{Count: d.Count()}
	if s.Count == 0 {
		return s
	}
	s.Mean = seconds(d.Sum() / float64(s.Count))
	quantiles := []struct {
		share float64
		value *time.Duration
	}{{0.5, &s.P50}, {0.95, &s.P95}, {0.99, &s.P99}}
	var seen uint64
	d.Each(func(lower, upper float64, n uint64) bool {
		seen += n
		for len(quantiles) > 0 && seen >= max(1, uint64(quantiles[0].share*float64(s.Count))) {
			*quantiles[0].value = seconds(lower) + (seconds(upper)-seconds(lower))/2
			quantiles = quantiles[1:]
		}
		return len(quantiles) > 0
	})
	return s
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * float64(time.Second))) }
