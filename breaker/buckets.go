package breaker

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/stripe"
)

// bucketCount is a power of two above the number of slices in any window. Slices
// are a power of two of nanoseconds wide, between 1/128 and 1/64 of the window,
// so that finding one is a shift and not a division; so a call is counted for at
// least 31/32 of the window and never longer than the window.
const bucketCount = 128

// buckets counts calls by time, for the ratio rules. Adding is one atomic add
// (two for a failed or slow call), without a lock except for the first call of
// each slice; lanes keep processors off each other's cache lines.
//
// A call that was held up for a whole window between finding its slice and
// adding to it is counted in the slice that has taken its place.
type buckets struct {
	shift  uint8  // a slice is 1<<shift nanoseconds wide
	slices int64  // in the window
	lanes  []lane // a power of two of them

	// mu guards the change of a slot from one slice of time to another. Nothing
	// else is locked while it is held.
	mu sync.Mutex
}

type lane struct {
	slot [bucketCount]slot
	_    [128]byte
}

// slot holds one slice of time. The packed counts are failed<<32 | slow: more
// than four billion of either in one slice is out of reach.
type slot struct {
	epoch  atomic.Int64
	calls  atomic.Uint64
	packed atomic.Uint64
}

// never is the epoch of a slot that was not used: no instant divides to it.
const never = int64(clock.Min)

func newBuckets(window time.Duration, single bool) *buckets {
	n := 1
	for !single && n < runtime.GOMAXPROCS(0) && n < stripe.Lanes {
		n *= 2
	}
	shift := max(bits.Len64(uint64(window))-bits.Len64(bucketCount-1), 0)
	b := &buckets{shift: uint8(shift), slices: int64(window) >> shift, lanes: make([]lane, n)}
	for i := range b.lanes {
		for j := range b.lanes[i].slot {
			b.lanes[i].slot[j].epoch.Store(never)
		}
	}
	return b
}

// epoch numbers the slice of time that now lies in; the shift of a signed number
// rounds down, also for negative instants.
func (b *buckets) epoch(now clock.Instant) int64 { return int64(now) >> (b.shift & 63) }

// add counts one call at now, in the caller's lane.
func (b *buckets) add(now clock.Instant, failed, slow bool) {
	epoch := b.epoch(now)
	s := &b.lanes[stripe.Lane()&(len(b.lanes)-1)].slot[epoch&(bucketCount-1)]
	if s.epoch.Load() != epoch && !b.rotate(s, epoch) {
		return
	}
	s.calls.Add(1)
	var packed uint64
	if failed {
		packed = 1 << 32
	}
	if slow {
		packed |= 1
	}
	if packed != 0 {
		s.packed.Add(packed)
	}
}

// remove takes back a call that was added at the given instant, perhaps in another
// lane: the count of one lane may then wrap, the sum of all does not. What the call
// told besides stays: a slow one was slow. REQUIRES: nobody sums up meanwhile, that is
// the breaker's mutex, or the call could be seen as taken back and not as added.
func (b *buckets) remove(at clock.Instant) {
	epoch := b.epoch(at)
	s := &b.lanes[stripe.Lane()&(len(b.lanes)-1)].slot[epoch&(bucketCount-1)]
	if b.rotate(s, epoch) {
		s.calls.Add(^uint64(0))
	}
}

// rotate makes s the slot of epoch and reports whether it is; a slot that has
// already moved on to a later slice is left alone, for the call is out of the
// window by then.
func (b *buckets) rotate(s *slot, epoch int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := s.epoch.Load(); at >= epoch {
		return at == epoch
	}
	s.calls.Store(0)
	s.packed.Store(0)
	s.epoch.Store(epoch)
	return true
}

// sums adds up the slices of the window that ends at now.
func (b *buckets) sums(now clock.Instant) (calls, failed, slow uint64) {
	last := b.epoch(now)
	for i := range b.lanes {
		for j := range b.lanes[i].slot {
			s := &b.lanes[i].slot[j]
			if at := s.epoch.Load(); at > last-b.slices && at <= last {
				packed := s.packed.Load()
				calls += s.calls.Load()
				failed += packed >> 32
				slow += packed & (1<<32 - 1)
			}
		}
	}
	return max(calls, failed, slow), failed, slow // a call is counted before its failure, but read without a lock
}
