package redis

import (
	"math/bits"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
)

// The mark of a decision is what the script calls the mark, which is below 2^53, and the
// generation of the key above it.
const markBits = 53

// answer is what the script says of a call, as a decision. Now is the server's time.
func (c *counted) answer(r record, now, cost int64, what byte) ratelimit.Decision {
	d := ratelimit.Decision{OK: r.state == admitted, Source: ratelimit.Shared, Limit: c.capacity}
	var left, retry, reset int64
	switch {
	case c.paces():
		left, retry, reset = c.bucket(r, cost)
	case c.algorithm == ratelimit.SlidingLog:
		left, retry, reset = max(c.limit-r.a, 0), r.b, r.c
	default:
		left, retry, reset = c.window(r, now, cost)
	}
	d.Remaining = left
	if reset > 0 {
		d.ResetAfter = time.Duration(reset+r.lead) * c.tick
	}
	if !d.OK {
		d.RetryAfter = time.Duration(retry+r.lead) * c.tick
	}
	if d.OK && what == take && cost > 0 {
		d.Taken, d.Mark = cost, r.generation<<markBits|c.mark(r, now)
	}
	return d
}

// mark is what a refund of the call has to name.
func (c *counted) mark(r record, now int64) int64 {
	if c.algorithm == ratelimit.SlidingLog {
		return now + r.lead // when the call was
	}
	return r.c // when the bucket is full again, or the window
}

// bucket returns what is left of a bucket that will be full again in r.a ticks and r.b
// parts, how long a refused call has to wait, and until it is full, in ticks.
func (c *counted) bucket(r record, cost int64) (left, retry, reset int64) {
	reset = r.a + sign(r.b)
	if c.algorithm == ratelimit.LeakyBucket {
		// Every call waits for those before it; what is left are the places to wait in,
		// beside the one that leaves next.
		return min(c.tokens(c.full.whole-r.a, c.full.part-r.b, c.p), c.capacity), reset, reset
	}
	add := c.cost(cost)
	over := add.part + r.b - c.full.part // between -q and 2q
	retry = add.whole + r.a - c.full.whole + over/c.q + sign(over%c.q)
	return min(c.tokens(c.full.whole-r.a, c.full.part-r.b, 0), c.capacity), retry, reset
}

// sign is 1 for what is positive, and 0 otherwise: what rounding up adds to a division
// that rounds towards zero.
func sign(v int64) int64 {
	if v > 0 {
		return 1
	}
	return 0
}

// tokens is how many tokens a time and some more parts are worth, rounded down; none if it is negative.
func (c *counted) tokens(whole, part, more int64) int64 {
	part += more
	if whole < 0 {
		hi, lo := bits.Mul64(uint64(-whole), uint64(c.q))
		if hi > 0 || part < 0 || lo > uint64(part) {
			return 0
		}
		return (part - int64(lo)) / c.p
	}
	hi, lo := bits.Mul64(uint64(whole), uint64(c.q))
	if part < 0 && hi == 0 && lo < uint64(-part) {
		return 0
	}
	lo, carry := bits.Add64(lo, uint64(part), 0)
	hi += carry + uint64(part>>63) // and the sign
	n, _ := bits.Div64(hi, lo, uint64(c.p))
	return int64(n)
}

// window returns the same of a window: r.a was taken in it, r.b in the one before, and
// its number is r.c.
func (c *counted) window(r record, now, cost int64) (free, retry, reset int64) {
	count, before := r.a, r.b
	left := c.per // of the window that the key is in
	if r.lead == 0 {
		left = (r.c+1)*c.per - now
	}
	weighted := int64(0)
	if before > 0 {
		weighted = muldivUp(before, left, c.per)
	}
	free = max(max(c.limit-count, 0)-weighted, 0)
	slides := c.algorithm == ratelimit.SlidingWindow
	switch room := c.limit - count - cost; {
	case r.state == admitted:
	case !slides:
		retry = left
	case room >= 0: // until the window before has lost enough of its weight
		gone, _ := muldiv(room, c.per, before)
		retry = left - min(gone, left)
	default: // after this one has become the window before
		gone, _ := muldiv(c.limit-cost, c.per, count)
		retry = left + c.per - min(gone, c.per)
	}
	switch {
	case count > 0 && slides:
		reset = left + c.per
	case count > 0 || before > 0:
		reset = left
	}
	return free, retry, reset
}
