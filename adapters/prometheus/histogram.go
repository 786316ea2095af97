package prometheus

import (
	"math"

	dto "github.com/prometheus/client_model/go"

	"github.com/elixirscope/foundation/telemetry"
)

const (
	// schema 3 has eight buckets per power of two.
	schema           = 3
	bucketsPerDouble = 1 << schema
	// zeroThreshold is where the native buckets begin; the parts measure in
	// nanoseconds, so what is below one is zero.
	zeroThreshold = 1e-9
)

// bounds are the upper ends of the classic buckets, in seconds: from a call
// within the process to one that waits for a person.
var bounds = [...]float64{
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60,
}

// histogram copies d into both kinds of buckets; a nil d is empty.
func histogram(d telemetry.Distribution) *dto.Histogram {
	var (
		counts [len(bounds)]uint64
		native sparse
		total  uint64
		sum    float64
	)
	if d != nil {
		sum = d.Sum()
		d.Each(func(lower, upper float64, n uint64) bool {
			middle := lower + (upper-lower)/2
			total += n
			if i := classicIndex(middle); i < len(counts) {
				counts[i] += n
			}
			native.add(middle, n)
			return true
		})
	}
	h := &dto.Histogram{
		SampleCount:   &total,
		SampleSum:     &sum,
		Bucket:        cumulative(counts[:]),
		Schema:        new(int32(schema)),
		ZeroThreshold: new(zeroThreshold),
		ZeroCount:     &native.zero,
		PositiveSpan:  native.spans,
		PositiveDelta: native.deltas,
	}
	if total == native.zero {
		// An empty span tells a native histogram without buckets from a classic one.
		h.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32(0)), Length: new(uint32(0))}}
	}
	return h
}

// classicIndex returns the bucket that v counts in, len(bounds) for that without
// an upper end.
func classicIndex(v float64) int {
	for i, bound := range bounds {
		if v <= bound {
			return i
		}
	}
	return len(bounds)
}

func cumulative(counts []uint64) []*dto.Bucket {
	out := make([]*dto.Bucket, len(counts))
	var sum uint64
	for i, n := range counts {
		sum += n
		out[i] = &dto.Bucket{UpperBound: new(bounds[i]), CumulativeCount: new(sum)}
	}
	return out
}

// sparse collects native buckets in the form of the wire: spans of buckets that
// follow one another, and the difference of each count to the one before.
type sparse struct {
	spans  []*dto.BucketSpan
	deltas []int64
	zero   uint64
	next   int32 // the index after the last bucket
	last   int64 // the count of the last bucket
}

// add counts n at v. Calls come in rising order of v.
func (s *sparse) add(v float64, n uint64) {
	if v <= zeroThreshold {
		s.zero += n
		return
	}
	index := nativeIndex(v)
	switch {
	case len(s.spans) > 0 && index < s.next: // the same bucket again
		s.deltas[len(s.deltas)-1] += int64(n)
		s.last += int64(n)
		return
	case len(s.spans) > 0 && index == s.next:
		*s.spans[len(s.spans)-1].Length++
	default:
		s.spans = append(s.spans, &dto.BucketSpan{Offset: new(index - s.next), Length: new(uint32(1))})
	}
	s.deltas = append(s.deltas, int64(n)-s.last)
	s.next, s.last = index+1, int64(n)
}

// nativeIndex returns the i for which 2^((i-1)/8) < v <= 2^(i/8).
func nativeIndex(v float64) int32 {
	return int32(math.Ceil(math.Log2(v) * bucketsPerDouble))
}
