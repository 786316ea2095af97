package perf

import (
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

// reasonSlots is how many times ten seconds the reasons are kept for: what has just
// happened is asked for by its reasons, and not the last hour.
const reasonSlots = 31

// ReasonsKept is how far back the reasons of calls that did not succeed are known.
const ReasonsKept = (reasonSlots - 1) * slotSeconds * time.Second

// ReasonCount is how many calls of a window ended for one reason.
type ReasonCount struct {
	telemetry.Reason

	Calls uint64
}

// reasonRing counts one reason in slots of ten seconds.
type reasonRing struct {
	last int64 // number of the newest slot
	at   [reasonSlots]uint32
}

func (r *reasonRing) add(slot int64, n uint32) {
	for s := max(r.last+1, slot-reasonSlots+1); s <= slot; s++ {
		r.at[s%reasonSlots] = 0
	}
	r.last = max(r.last, slot)
	r.at[slot%reasonSlots] += n
}

func (r *reasonRing) sum(first, last int64) (n uint64) {
	for s := max(first, r.last-reasonSlots+1); s <= min(last, r.last); s++ {
		n += uint64(r.at[s%reasonSlots])
	}
	return n
}

// reasonRings are those of an operation, each made when its reason first occurs: few of
// them ever do.
type reasonRings []*reasonRing

func (r *reasonRings) put(slot int64, d *delta) {
	for i, n := range d.reasons[:d.split] {
		if n == 0 {
			continue
		}
		for len(*r) <= i {
			*r = append(*r, nil)
		}
		if (*r)[i] == nil {
			(*r)[i] = new(reasonRing)
		}
		(*r)[i].add(slot, n)
	}
}

// reasonsLocked lists what ended calls without success in a window, by the names of the
// operation's source, as far as that is kept.
func (m *Monitor) reasonsLocked(o *operation, from, to time.Time) (list []ReasonCount) {
	if o.data == nil {
		return nil
	}
	newest := m.now / slotSeconds
	first := max(floorDiv(from.Unix(), slotSeconds), newest-reasonSlots+1)
	last := floorDiv(to.Unix()-1, slotSeconds)
	for i, ring := range o.data.reasons[:min(len(o.data.reasons), len(o.Reasons))] {
		if ring == nil {
			continue
		}
		if n := ring.sum(first, last); n > 0 {
			list = append(list, ReasonCount{o.Reasons[i], n})
		}
	}
	return list
}
