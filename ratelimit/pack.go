package ratelimit

import (
	"math/bits"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// A key's state fits one word of 64 bits under every rule that people write.
//
//	bit  63     frozen: the state has moved to a newer table
//	bit  62     dead: the key was dropped
//	bits 61..0  paced: the theoretical arrival time, in units of the rule (1/q ns)
//	            from the table's base, plus 2⁶¹
//	            fixed_window:   window - base │ count
//	            sliding_window: window - base │ count │ count before
//
// The base belongs to the table, and a table whose base is too far back is
// replaced by one with a newer base as if it had grown. Rules whose numbers
// leave less than leastHorizon between two such replacements, and the sliding
// log, live in [cells].
type packing struct {
	fits    bool
	bits    int   // of a count
	windows int64 // how many windows the word can tell apart; a power of two
	horizon int64 // paced: how far from the base the present may be, in ns
}

const (
	frozen  = 1 << 63
	dead    = 1 << 62
	payload = dead - 1
	middle  = 1 << 61

	pacedReach   = 1 << 59 // units; the base, a capacity and a debt each stay below
	leastHorizon = int64(9 * time.Minute)
)

// packingFor says how r packs. Peak is the greatest count that a state may hold,
// which is more than the limit for a while after the limit was lowered.
func packingFor(r *rule, peak int64) packing {
	if r.limit == 0 {
		return packing{}
	}
	p := packing{bits: bits.Len64(uint64(peak))}
	switch r.algorithm {
	case GCRA, LeakyBucket:
		p.horizon = pacedReach / r.q
		p.fits = p.horizon >= leastHorizon && r.full.less(wideOf(pacedReach)) && r.p < pacedReach
	case FixedWindow:
		p.windows = windowsFor(62 - p.bits)
	case SlidingWindow:
		p.windows = windowsFor(62 - 2*p.bits)
	case SlidingLog:
	}
	if p.windows > 0 {
		p.fits = product(p.windows/4, r.per).int64() >= leastHorizon
	}
	return p
}

func windowsFor(bits int) int64 {
	if bits < 3 {
		return 0
	}
	return 1 << bits
}

// baseFor is the base of a table that is made at now. Windows get some room
// before the base, for readings of the clock that arrive late.
func (r *rule) baseFor(now clock.Instant) int64 {
	if paced(r.algorithm) {
		return int64(now)
	}
	return r.moment(now).window - r.pack.windows/4
}

// outgrown reports whether a table with this base should be replaced at now.
func (r *rule) outgrown(base int64, now clock.Instant) bool {
	if paced(r.algorithm) {
		return int64(now) > base && now.Sub(clock.Instant(base)) > time.Duration(r.pack.horizon/2)
	}
	return r.moment(now).window-base > r.pack.windows/4*3
}

// word packs a state. What lies outside of what a word can hold, which takes a
// clock that jumps, is cut off on the side that admits less.
func (r *rule) word(base int64, st state) uint64 {
	if paced(r.algorithm) {
		offset := st.tat.minus(product(base, r.q)).int64()
		return uint64(min(max(offset, -middle), middle-1) + middle)
	}
	return r.pack.word(base, st.counts, r.algorithm == SlidingWindow)
}

func (p *packing) word(base int64, c counts, two bool) uint64 {
	mask := int64(1)<<(p.bits&63) - 1
	window := min(max(c.window-base, 0), p.windows-1)
	w := uint64(window)<<(p.bits&63) | uint64(min(c.count, mask))
	if two {
		w = w<<(p.bits&63) | uint64(min(c.before, mask))
	}
	return w
}

// unpacked is the state that a word holds.
func (r *rule) unpacked(base int64, w uint64) state {
	w &= payload
	if paced(r.algorithm) {
		return state{tat: product(base, r.q).plus(wideOf(int64(w) - middle))}
	}
	return state{counts: r.pack.counts(base, w, r.algorithm == SlidingWindow)}
}

func (p *packing) counts(base int64, w uint64, two bool) counts {
	mask := uint64(1)<<(p.bits&63) - 1
	var c counts
	if two {
		c.before = int64(w & mask)
		w >>= p.bits & 63
	}
	c.count = int64(w & mask)
	c.window = int64(w>>(p.bits&63)) + base
	return c
}

// askWord is [rule.ask] for a packed state. It reports false when the present is
// too far from the base for the answer to fit a word.
func (r *rule) askWord(base int64, w uint64, q *question, v *verdict) (after uint64, ok bool) {
	if !paced(r.algorithm) {
		return r.askCounts(base, w, q, v)
	}
	if q.patience == 0 {
		return r.askPaced(base, w, q, v)
	}
	if r.far(base, q.now) {
		return w, false
	}
	st, answer := r.ask(r.unpacked(base, w), q.now, q.cost, time.Duration(q.patience))
	*v = answer
	if !answer.ok {
		return w, true
	}
	return r.word(base, st), true
}

// askCounts is the windows in a word.
func (r *rule) askCounts(base int64, w uint64, q *question, v *verdict) (after uint64, ok bool) {
	at, two := r.moment(q.now), r.algorithm == SlidingWindow
	if at.window < base || at.window-base >= r.pack.windows {
		return w, false
	}
	c := r.askWindows(r.pack.counts(base, w, two), at, q.cost, v)
	if !v.ok {
		return w, true
	}
	return r.pack.word(base, c, two), true
}

// far reports whether now is out of a paced word's reach.
func (r *rule) far(base int64, now clock.Instant) bool {
	d := int64(now) - base
	return d > r.pack.horizon || d < -r.pack.horizon || (d < 0) != (int64(now) < base)
}

// askPaced is the bucket in words of 64 bits: the common case, and the
// same steps as in [rule.askBucket]. Nothing overflows: the distance to the base
// is at most pacedReach units, and so are the capacity and with it the cost.
func (r *rule) askPaced(base int64, w uint64, q *question, v *verdict) (after uint64, ok bool) {
	if r.far(base, q.now) {
		return w, false
	}
	now, cost := (int64(q.now)-base)*r.q, q.cost*r.p
	start := max(int64(w)-middle, now)
	ahead, places := start+cost-now, int64(r.full.lo)
	tolerance := places
	if r.algorithm == LeakyBucket {
		tolerance, places = cost, places+r.p
	}
	if ahead > tolerance {
		v.ok, v.retry = false, time.Duration(r.nanoseconds(ahead-tolerance))
		ahead -= cost
		v.remaining, v.reset = min(max(places-ahead, 0)/r.p, r.capacity), time.Duration(r.nanoseconds(ahead))
		return w, true
	}
	reset := r.nanoseconds(ahead)
	v.ok, v.retry, v.mark = true, 0, reset
	v.remaining, v.reset = min((places-ahead)/r.p, r.capacity), time.Duration(reset)
	return uint64(start + cost + middle), true
}

// nanoseconds converts units, rounding up.
func (r *rule) nanoseconds(units int64) int64 {
	if r.q == 1 {
		return units
	}
	return (units + r.q - 1) / r.q
}
