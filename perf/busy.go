package perf

import "math"

// busyRing keeps, of each slot, the most calls that were seen under way at the end of one of
// its seconds. It is apart from the slots: few operations have calls that take so long.
type busyRing struct {
	last int64 // number of the newest slot
	most [slots]uint16
}

// clampedBusy is a number of calls under way, at most what is kept.
func clampedBusy(n uint64) uint16 { return uint16(min(n, math.MaxUint16)) }

// put notes what was under way; a ring is made when there is something.
func (r *busyRing) put(slot int64, inFlight uint64) *busyRing {
	if r == nil && inFlight == 0 {
		return nil
	}
	if r == nil {
		r = new(busyRing)
	}
	for s := max(r.last+1, slot-slots+1); s <= slot; s++ {
		r.most[s%slots] = 0
	}
	r.last = max(r.last, slot)
	r.most[slot%slots] = max(r.most[slot%slots], clampedBusy(inFlight))
	return r
}

// max is the greatest number of a span of slots.
func (r *busyRing) max(first, last int64) (n uint16) {
	if r == nil {
		return 0
	}
	for s := max(first, r.last-slots+1); s <= min(last, r.last); s++ {
		n = max(n, r.most[s%slots])
	}
	return n
}
