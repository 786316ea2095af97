package ratelimit

import "math/bits"

// wide is a signed number of 128 bits in two's complement. Products of two
// settings and of a setting and an instant fit in it, so the arithmetic of the
// rules is exact up to the ends of every type.
type wide struct {
	hi int64
	lo uint64
}

var (
	wideMin = wide{hi: minInt64}
	wideMax = wide{maxInt64, maxUint64}
)

func wideOf(v int64) wide { return wide{v >> 63, uint64(v)} }

// product returns a*b for b >= 0.
func product(a, b int64) wide {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if a < 0 {
		hi -= uint64(b) // a was read as a+2⁶⁴
	}
	return wide{int64(hi), lo}
}

// plus returns a+b, cut off at the ends.
func (a wide) plus(b wide) wide {
	lo, carry := bits.Add64(a.lo, b.lo, 0)
	sum, _ := bits.Add64(uint64(a.hi), uint64(b.hi), carry)
	hi := int64(sum)
	switch {
	case a.hi >= 0 && b.hi >= 0 && hi < 0:
		return wideMax
	case a.hi < 0 && b.hi < 0 && hi >= 0:
		return wideMin
	}
	return wide{hi, lo}
}

// minus returns a-b, cut off at the ends.
func (a wide) minus(b wide) wide {
	lo, borrow := bits.Sub64(a.lo, b.lo, 0)
	difference, _ := bits.Sub64(uint64(a.hi), uint64(b.hi), borrow)
	hi := int64(difference)
	switch {
	case a.hi >= 0 && b.hi < 0 && hi < 0:
		return wideMax
	case a.hi < 0 && b.hi >= 0 && hi >= 0:
		return wideMin
	}
	return wide{hi, lo}
}

func (a wide) less(b wide) bool {
	return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo
}

func (a wide) positive() bool { return a.hi > 0 || a.hi == 0 && a.lo > 0 }

func widest(a, b wide) wide {
	if a.less(b) {
		return b
	}
	return a
}

func narrowest(a, b wide) wide {
	if b.less(a) {
		return b
	}
	return a
}

// divide returns the quotient of a and d, cut off at the greatest int64, and
// the remainder, which is 0 when the quotient was cut. Negative a count as 0.
func (a wide) divide(d int64) (quotient, remainder int64) {
	if !a.positive() {
		return 0, 0
	}
	if uint64(a.hi) >= uint64(d) {
		return maxInt64, 0
	}
	q, r := bits.Div64(uint64(a.hi), a.lo, uint64(d))
	if q > maxInt64 {
		return maxInt64, 0
	}
	return int64(q), int64(r)
}

// floor returns a/d rounded down, within [0, maxInt64].
func (a wide) floor(d int64) int64 {
	q, _ := a.divide(d)
	return q
}

// ceil returns a/d rounded up, within [0, maxInt64].
func (a wide) ceil(d int64) int64 {
	q, r := a.divide(d)
	if r > 0 {
		q = addCapped(q, 1)
	}
	return q
}

// int64 returns a, cut off at the ends of int64.
func (a wide) int64() int64 {
	switch {
	case a.hi > 0 || a.hi == 0 && a.lo > maxInt64:
		return maxInt64
	case a.hi < -1 || a.hi == -1 && a.lo < 1<<63:
		return minInt64
	}
	return int64(a.lo)
}

const (
	maxInt64 = 1<<63 - 1
	minInt64 = -1 << 63

	maxUint64 = 1<<64 - 1
)

// addCapped adds two numbers that are not negative.
func addCapped(a, b int64) int64 {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return maxInt64
}

// floorDivide returns a/d rounded towards minus infinity, and a-d*that, for d > 0.
func floorDivide(a, d int64) (quotient, remainder int64) {
	quotient, remainder = a/d, a%d
	if remainder < 0 {
		return quotient - 1, remainder + d
	}
	return quotient, remainder
}

// scale returns a*b/d rounded down and cut off at most, for a, b >= 0, d > 0.
func scale(a, b, d, most int64) int64 {
	return min(product(a, b).floor(d), most)
}

// scaleUp is scale, rounded up.
func scaleUp(a, b, d int64) int64 { return product(a, b).ceil(d) }

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
