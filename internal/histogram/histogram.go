// Package histogram records durations in a log-linear histogram of atomic
// counters: lossless under concurrency, mergeable, with a bounded error.
//
// The layout is that of HdrHistogram with 32 linear buckets per power of two: a
// bucket is at most 1/32 of its lower bound wide, so a bucket's midpoint is at
// most 1/64 (1.6 %) away from any value in it. The range is 0 to 2^36 ns
// (68.7 s); longer durations count in the last bucket. The sum is exact.
package histogram

import (
	"math/bits"
	"runtime"
	"sync"
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
// use. Record takes a lock and may allocate once in many thousand records, or
// millions of short ones, and for those that are beyond the range. It never loses
// a record, and the count and the sum of a snapshot are those of the records in
// its buckets, so means and quantiles are consistent.
//
// A bucket is one word, so that a record is one atomic add: below, the number of
// its records, above, the sum of what they exceed its lower bound by. A field is
// full when its highest bit is set, at half of what it can hold; whoever fills
// one takes what the bucket holds away into folded, and the other half is room
// for those who add meanwhile.
type Histogram struct {
	shards []shard // a power of two of them

	mu     sync.Mutex // guards folded, and what is on its way there
	folded *Snapshot  // nil until there is something: most never see it
}

type shard struct {
	bucket [Buckets]atomic.Uint64
	_      [128]byte
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
	v := uint64(max(d, 0))
	if v >= 1<<maxBits {
		h.recordLong(d)
		return
	}
	shift := shiftOf(v)
	count := countBits(shift)
	i := shift<<linearBits + int(v>>shift)
	b := &h.shards[stripe.Lane()&(len(h.shards)-1)].bucket[i]
	if after := b.Add((v&(1<<shift-1))<<count | 1); after&(1<<63|1<<(count-1)) != 0 {
		h.fold(b, i)
	}
}

// fold empties a bucket of which a field is full.
func (h *Histogram) fold(b *atomic.Uint64, i int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, sum := unpacked(i, b.Swap(0))
	h.addLocked(i, n, sum)
}

// recordLong counts a duration that is beyond every bucket.
func (h *Histogram) recordLong(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addLocked(Buckets-1, 1, d)
}

func (h *Histogram) addLocked(i int, n uint64, sum time.Duration) {
	if h.folded == nil {
		h.folded = new(Snapshot)
	}
	h.folded.add(i, n, sum)
}

// shiftOf says that the bucket of v is 1<<shift nanoseconds wide.
func shiftOf(v uint64) int { return bits.Len64(v|1<<linearBits) - 1 - linearBits }

// countBits is how many bits of a bucket's word are its count, if it is 1<<shift
// nanoseconds wide. The sum needs shift bits more than the count, or one beyond.
func countBits(shift int) int { return (64 - shift) / 2 }

// unpacked returns what the word of bucket i says: how many records, and their sum.
func unpacked(i int, word uint64) (n uint64, sum time.Duration) {
	lower, _ := bounds(i)
	count := countBits(shiftOf(uint64(lower)))
	n = word & (1<<count - 1)
	return n, time.Duration(n)*lower + time.Duration(word>>count)
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
// be missing.
func (h *Histogram) Snapshot() *Snapshot {
	s := new(Snapshot)
	h.AddTo(s)
	return s
}

// AddTo adds the counts of this moment to s, which belongs to the caller: whoever takes
// snapshots all the time takes them into the same one and allocates nothing.
func (h *Histogram) AddTo(s *Snapshot) {
	h.mu.Lock() // nothing may be on its way
	defer h.mu.Unlock()
	if h.folded != nil {
		s.Add(h.folded)
	}
	for i := range h.shards {
		for b := range h.shards[i].bucket {
			if word := h.shards[i].bucket[b].Load(); word != 0 {
				n, sum := unpacked(b, word)
				s.add(b, n, sum)
			}
		}
	}
}

// Count is the number of records, without the rest of a snapshot.
func (h *Histogram) Count() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var count uint64
	if h.folded != nil {
		count = h.folded.count
	}
	for i := range h.shards {
		for b := range h.shards[i].bucket {
			if word := h.shards[i].bucket[b].Load(); word != 0 {
				n, _ := unpacked(b, word)
				count += n
			}
		}
	}
	return count
}

// Snapshot is a histogram at one moment. It implements telemetry.Distribution
// in seconds. The zero value is empty.
type Snapshot struct {
	count  uint64
	sum    time.Duration
	bucket [Buckets]uint64
}

func (s *Snapshot) add(i int, n uint64, sum time.Duration) {
	s.count += n
	s.sum += sum
	s.bucket[i] += n
}

// Count is the number of records.
func (s *Snapshot) Count() uint64 { return s.count }

// Sum is the sum of all records, in seconds.
func (s *Snapshot) Sum() float64 { return s.sum.Seconds() }

// Total is the sum of all records, exactly.
func (s *Snapshot) Total() time.Duration { return s.sum }

// Sub removes an earlier snapshot of the same histogram, which leaves the
// records of the time between.
func (s *Snapshot) Sub(earlier *Snapshot) {
	s.count -= earlier.count
	s.sum -= earlier.sum
	for i := range s.bucket {
		s.bucket[i] -= earlier.bucket[i]
	}
}

// Add adds the records of another snapshot.
func (s *Snapshot) Add(other *Snapshot) {
	s.count += other.count
	s.sum += other.sum
	for i, n := range other.bucket {
		s.bucket[i] += n
	}
}

// AddBucket adds n records to bucket i, whose sum is added apart, see [Snapshot.AddSum].
func (s *Snapshot) AddBucket(i int, n uint64) {
	s.count += n
	s.bucket[i] += n
}

// AddSum adds to the sum alone.
func (s *Snapshot) AddSum(sum time.Duration) { s.sum += sum }

// Bucket is the number of records in bucket i.
func (s *Snapshot) Bucket(i int) uint64 { return s.bucket[i] }

// Bounds returns the half-open range [lower, upper) of bucket i.
func Bounds(i int) (lower, upper time.Duration) { return bounds(i) }

// BucketOf returns the bucket that a duration counts in.
func BucketOf(d time.Duration) int {
	v := min(uint64(max(d, 0)), 1<<maxBits-1)
	shift := shiftOf(v)
	return shift<<linearBits + int(v>>shift)
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
