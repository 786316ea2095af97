package perf

import (
	"math/bits"
	"time"

	"github.com/elixirscope/foundation/internal/histogram"
)

// A scale says how fine a histogram is: 2^scale buckets for each doubling of the
// duration. Halving the resolution is exact: a bucket of a coarser scale is the union of
// buckets of a finer one, so that histograms of different scales can be added.
type scale uint8

const (
	finest   scale = 5 // that of the recorder, see package histogram
	coarsest scale = 0
	maxBits        = 36 // longer durations count in the last bucket
)

// buckets is how many a histogram of this scale has.
func (s scale) buckets() int { return (maxBits-int(s))<<s + 1<<s }

// of returns the bucket of this scale that holds bucket i of a finer one.
func (s scale) of(i int, from scale) int {
	lower, _ := from.bounds(i)
	v := uint64(lower)
	shift := bits.Len64(v|1<<s) - 1 - int(s)
	return shift<<s + int(v>>shift)
}

// bounds returns the half-open range [lower, upper) of a bucket.
func (s scale) bounds(i int) (lower, upper time.Duration) {
	if i < 1<<s {
		return time.Duration(i), time.Duration(i + 1)
	}
	shift := i>>s - 1
	mantissa := i - shift<<s
	return time.Duration(mantissa) << shift, time.Duration(mantissa+1) << shift
}

// middle is what a quantile in a bucket is given as.
func (s scale) middle(i int) time.Duration {
	lower, upper := s.bounds(i)
	return lower + (upper-lower)/2
}

// err is the greatest relative error of a quantile: half of a bucket's width.
func (s scale) err() float64 { return 0.5 / float64(uint(1)<<s) }

// coarse maps the buckets of the recorder to those of the slots, so that nothing is
// computed for each of them every second.
var coarse = func() (table [histogram.Buckets]uint16) {
	for i := range table {
		table[i] = uint16(slotScale.of(i, finest))
	}
	return table
}()
