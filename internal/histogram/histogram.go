// Package histogram records durations in a log-linear histogram of atomic
// counters: lossless under concurrency, mergeable, with a bounded error.
//
// The layout is that of HdrHistogram with 32 linear buckets per power of two: a
// bucket is at most 1/32 of its lower bound wide, so a bucket's midpoint is at
// most 1/64 (1.6 %) away from any value in it. The range is 0 to 2^36 ns
// (68.7 s); longer durations count in the last bucket and in the exact sum.
package histogram

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/stripe"
)

const (
	linearBits = 5
	maxBits    = 36
	// Buckets is the number of counters of one histogram.
	Buckets = (maxBits-linearBits)<<linearBits + 1<<linearBits
)

// Histogram counts durations. Make one with [New]. It is safe for concurrent
// use; Record neither blocks nor allocates. It never loses a record, and the
// count of a snapshot is the sum of its buckets, so quantiles are consistent.
type Histogram struct {
	shards []shard // a power of two of them
}

type shard struct {
	sum    atomic.Int64
	_      [120]byte
	bucket [Buckets]atomic.Uint64
}

// New returns an empty histogram of 8 KiB for each processor, at most eight.
func New() *Histogram {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < stripe.Lanes {
		n *= 2
	}
	return &Histogram{shards: make([]shard, n)}
}

// Record counts d; a negative duration counts as zero.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	s := &h.shards[stripe.Lane()&(len(h.shards)-1)]
	s.bucket[index(d)].Add(1)
	s.sum.Add(int64(d))
}

func index(d time.Duration) int {
	v := uint64(d)
	if v < 1<<linearBits {
		return int(v)
	}
	shift := bits.Len64(v) - 1 - linearBits
	return min(shift<<linearBits+int(v>>shift), Buckets-1)
}

// bounds returns the half-open range [lower, upper) of a bucket.
func bounds(i int) (lower, upper time.Duration) {
	if i < 1<<linearBits {
		return time.Duration(i), time.Duration(i + 1)
	}
	shift := i>>linearBits - 1
	mantissa := i - shift<<linearBits
	return time.Duration(mantissa) << shift, time.Duration(mantissa+1) << shift
}

// Snapshot returns the counts of this moment. Records that run concurrently may
// be missing, or be in a bucket and not yet in the sum.
func (h *Histogram) Snapshot() *Snapshot {
	s := new(Snapshot)
	for i := range h.shards {
		sh := &h.shards[i]
		s.sum += time.Duration(sh.sum.Load())
		for b := range sh.bucket {
			n := sh.bucket[b].Load()
			s.bucket[b] += n
			s.count += n
		}
	}
	return s
}

// Sum is the sum of all records, exactly; it costs far less than a snapshot.
func (h *Histogram) Sum() time.Duration {
	var sum int64
	for i := range h.shards {
		sum += h.shards[i].sum.Load()
	}
	return time.Duration(sum)
}

// Snapshot is a histogram at one moment. It implements telemetry.Distribution
// in seconds. The zero value is empty.
type Snapshot struct {
	count  uint64
	sum    time.Duration
	bucket [Buckets]uint64
}

// Count is the number of records.
func (s *Snapshot) Count() uint64 { return s.count }

// Sum is the sum of all records, in seconds.
func (s *Snapshot) Sum() float64 { return s.sum.Seconds() }

// Mean is the mean of all records, 0 if there are none.
func (s *Snapshot) Mean() time.Duration {
	if s.count == 0 {
		return 0
	}
	return s.sum / time.Duration(s.count)
}

// Quantile returns the value below which the share q of all records lies, to
// 1/64 of its size; 0 if there are none.
func (s *Snapshot) Quantile(q float64) time.Duration {
	rank := uint64(min(max(q, 0), 1) * float64(s.count))
	rank = min(max(rank, 1), s.count)
	var seen uint64
	for i, n := range s.bucket {
		if seen += n; seen >= rank && n > 0 {
			lower, upper := bounds(i)
			return lower + (upper-lower)/2
		}
	}
	return 0
}

// Sub removes an earlier snapshot of the same histogram, which leaves the
// records of the time between.
func (s *Snapshot) Sub(earlier *Snapshot) {
	s.count -= earlier.count
	s.sum -= earlier.sum
	for i := range s.bucket {
		s.bucket[i] -= earlier.bucket[i]
	}
}

// Each calls yield for every bucket that is not empty, in rising order, with
// bounds in seconds.
func (s *Snapshot) Each(yield func(lower, upper float64, count uint64) bool) {
	for i, n := range s.bucket {
		if n == 0 {
			continue
		}
		lower, upper := bounds(i)
		if !yield(lower.Seconds(), upper.Seconds(), n) {
			return
		}
	}
}
