package redis

import (
	"math/bits"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// counted is a rule in the numbers that the script and the answers are computed with.
// It is immutable.
//
// A tick is the unit of the server's clock, and p/q is per/limit in lowest terms: the
// time of one token. Costs and the burst are times in ticks and parts of 1/q, so that the
// script has nothing to multiply.
type counted struct {
	shared.Rule

	tick             time.Duration
	algorithm        ratelimit.Algorithm
	limit, per, p, q int64
	capacity         int64 // what is admitted at most at once
	full             paced // the capacity as a time
	raw              [ruleSize]byte
}

// paced is a time in ticks and parts of 1/q, or a count and 0.
type paced struct{ whole, part int64 }

const defaultPer = time.Second

// newCounted returns the numbers of a rule that is valid.
func newCounted(r shared.Rule, tick time.Duration) *counted {
	c := &counted{Rule: r, tick: tick, algorithm: r.Config.Algorithm, limit: max(r.Config.Limit, 0), p: 1, q: 1}
	per := r.Config.Per
	if per == 0 {
		per = defaultPer
	}
	c.per, c.capacity = int64(per/tick), c.limit
	if c.limit > 0 {
		d := gcd(c.per, c.limit)
		c.p, c.q = c.per/d, c.limit/d
	}
	if c.paces() {
		if r.Config.Burst > 0 {
			c.capacity = r.Config.Burst
		}
	}
	c.full = c.cost(c.capacity)
	raw := append(c.raw[:0], byte(c.algorithm))
	for _, v := range []int64{c.limit, c.per, c.capacity, c.p, c.q, c.full.whole, c.full.part} {
		raw = putUint(raw, v, 7)
	}
	return c
}

func (c *counted) paces() bool {
	return c.algorithm == ratelimit.GCRA || c.algorithm == ratelimit.LeakyBucket
}

// cost is what a call of n, within the capacity, adds to a key.
func (c *counted) cost(n int64) paced {
	if !c.paces() {
		return paced{n, 0}
	}
	whole, part := muldiv(n, c.p, c.q)
	return paced{whole, part}
}

// logged is how many calls of a log are read and written in the time of a call of another
// algorithm.
const logged = 64

// weight is how long a call keeps the server busy at most, as a multiple of one that does not
// count by a log: each call reads and writes that as a whole.
func (c *counted) weight() int64 {
	if c.algorithm != ratelimit.SlidingLog {
		return 1
	}
	return 1 + c.limit/logged
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// muldiv returns a*b/d rounded down, which must fit, and the remainder.
func muldiv(a, b, d int64) (quotient, remainder int64) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, r := bits.Div64(hi, lo, uint64(d))
	return int64(q), int64(r)
}

func muldivUp(a, b, d int64) int64 {
	q, r := muldiv(a, b, d)
	if r > 0 {
		q++
	}
	return q
}
