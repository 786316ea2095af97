package ratelimit

import (
	"math"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
)

// A receipt of a token bucket knows where what it took ended when it was taken.
// What was given back since moves that end, and a word has no room to remember it.
// So it is remembered beside the table, where only a refund writes: by the bits of
// the hash that choose an overflow bucket, because keys that share a bucket move
// each other's ends. Other keys with the same bits make a refund smaller than it
// could be, never larger.
type refunds struct {
	sums atomic.Pointer[[overflowBuckets]refundSum] // made when first used
}

type refundSum struct{ sum, turns atomic.Int64 }

// refunded is what is remembered of the refunds of a key.
type refunded struct {
	// sum is how many nanoseconds were given back from under later calls. It never
	// falls, and stays at the greatest int64: then no end is known any more.
	sum int64
	// turns is until when somebody may hold a turn that the state does not show.
	turns clock.Instant
}

// sum returns the sum of a key.
func (r *refunds) sum(h key.Hash) int64 {
	sums := r.sums.Load()
	if sums == nil {
		return 0
	}
	return sums[h.Lo%overflowBuckets].sum.Load()
}

func (r *refunds) of(h key.Hash) refunded {
	sums := r.sums.Load()
	if sums == nil {
		return refunded{turns: clock.Min}
	}
	s := &sums[h.Lo%overflowBuckets]
	return refunded{s.sum.Load(), clock.Instant(s.turns.Load())}
}

// note remembers what became of before.
func (r *refunds) note(h key.Hash, before, after refunded) {
	if before == after {
		return
	}
	s := &r.opened()[h.Lo%overflowBuckets]
	for v := s.sum.Load(); !s.sum.CompareAndSwap(v, addCapped(v, after.sum-before.sum)); {
		v = s.sum.Load()
	}
	for v := s.turns.Load(); !s.turns.CompareAndSwap(v, max(v, int64(after.turns))); {
		v = s.turns.Load()
	}
}

// opened returns the sums, which another engine with the same rule may share.
func (r *refunds) opened() *[overflowBuckets]refundSum {
	if r.sums.Load() == nil {
		fresh := new([overflowBuckets]refundSum)
		for i := range fresh {
			fresh[i].turns.Store(math.MinInt64)
		}
		r.sums.CompareAndSwap(nil, fresh)
	}
	return r.sums.Load()
}

// marked adds to a mark what was given back before it was made, so that the
// difference to a later sum is what was given back since.
func marked(mark, sum int64) int64 {
	if sum == 0 { // also every mark that is no distance
		return mark
	}
	return addCapped(mark, sum)
}
