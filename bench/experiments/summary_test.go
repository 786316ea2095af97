package experiments_test

import (
	"math"
	"slices"
	"time"

	"github.com/elixirscope/foundation/guard"
)

// summary is what became of the calls that arrived in a stretch of time.
type summary struct {
	goodput       float64 // calls answered within the deadline, in multiples of the capacity
	success       float64 // the same as a share of the calls offered
	refused, late float64 // shares of the calls offered
	// p99 is of the calls that were admitted; one that was cut off counts with the deadline.
	p99 time.Duration
}

func every(*call) bool      { return true }
func critical(c *call) bool { return c.priority == guard.Critical }
func bulk(c *call) bool     { return c.priority == guard.Bulk }

func summarize(calls []*call, from, to time.Duration, which func(*call) bool) summary {
	var ends [3]float64
	var took []time.Duration
	for _, c := range calls {
		if c.at < from || c.at >= to || !which(c) {
			continue
		}
		ends[c.end]++
		if c.end != refused {
			took = append(took, c.took)
		}
	}
	all := ends[good] + ends[late] + ends[refused]
	s := summary{
		goodput: ends[good] / (to - from).Seconds() / capacity,
		success: ends[good] / all, refused: ends[refused] / all, late: ends[late] / all,
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		s.p99 = took[int(math.Ceil(0.99*float64(n)))-1]
	}
	return s
}

// overTime is the goodput of each step of time, in multiples of the capacity, by when the
// calls were answered.
func overTime(calls []*call, length, step time.Duration) []float64 {
	steps := make([]float64, length/step)
	for _, c := range calls {
		if i := int((c.at + c.took) / step); c.end == good && i < len(steps) {
			steps[i] += 1 / step.Seconds() / capacity
		}
	}
	return steps
}

// successOverTime is the share of the calls that arrived in each step of time and were answered.
func successOverTime(calls []*call, length, step time.Duration, which func(*call) bool) []float64 {
	steps := make([]float64, length/step)
	for i := range steps {
		at := time.Duration(i) * step
		steps[i] = summarize(calls, at, at+step, which).success
	}
	return steps
}

// mean is the mean of several runs, step by step.
func mean(runs [][]float64) []float64 {
	all := make([]float64, len(runs[0]))
	for _, r := range runs {
		for i, v := range r {
			all[i] += v / float64(len(runs))
		}
	}
	return all
}
