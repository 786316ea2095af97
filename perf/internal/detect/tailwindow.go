package detect

import (
	"math"
	"slices"
)

const tailRows = 512

// tail knows how the last values of a feature were distributed, and says how probable one
// beyond them is: empirically within the bulk, by a generalized Pareto tail beyond it.
type tail struct {
	ring   [tailRows]float64 // by age
	sorted [tailRows]float64
	n      int
	next   int // the oldest, once the ring is full
	most   int // values that are kept; 0 for tailRows

	upper    bool    // the last value was above the median
	crossing float64 // moving share of rows that crossed it
	rows     float64 // in it, all of them

	pending [pendingRows]float64 // not in the distribution yet
	waiting int
}

// pendingRows is how many values are held back: a feature that changes slowly would otherwise
// teach its tail the beginning of what is to be found.
const pendingRows = 6

// addLater takes the value that was held back longest, and holds this one back.
func (t *tail) addLater(y float64) {
	at := &t.pending[t.waiting%pendingRows]
	if t.waiting >= pendingRows {
		t.add(*at)
	}
	*at = y
	t.waiting++
}

// cross notes on which side of the median a row is.
func (t *tail) cross(y float64) {
	median := t.quantile(0.5)
	upper := y > median
	t.rows++
	share := 0.0
	switch {
	case y == median:
		share = 0.5 // neither: a series of few different values is not a slow one
	case upper != t.upper:
		share = 1
	}
	t.upper = upper
	t.crossing += (share - t.crossing) / min(t.rows, crossingMemory)
}

const (
	crossingMemory   = 1000 // rows
	leastIndependent = 40   // values without which nothing is known of their distribution
)

// dependence is how many rows there are to one independent value: independent ones are on
// either side of the median by turns, every other time.
func (t *tail) dependence() float64 {
	return max(1, 0.5/max(t.crossing, 1.0/crossingMemory))
}

// unlikely returns the probability, on both sides, of a value as far out as y.
func (t *tail) unlikely(y, coarse float64) float64 {
	dependence := t.dependence()
	if t.rows < leastIndependent*dependence {
		return 1
	}
	var p float64
	if y > t.quantile(0.5) {
		p = t.above(y, coarse)
	} else {
		p = t.below(y, coarse)
	}
	return min(1, 2*p*dependence)
}

// forget drops what is held back.
func (t *tail) forget() { t.waiting = 0 }

// add takes a value and forgets the oldest.
func (t *tail) add(y float64) {
	most := t.most
	if most == 0 {
		most = tailRows
	}
	list := t.sorted[:t.n]
	at, _ := slices.BinarySearch(list, y)
	if t.n < most {
		copy(t.sorted[at+1:t.n+1], t.sorted[at:t.n])
		t.sorted[at] = y
		t.ring[t.n] = y
		t.n++
		return
	}
	gone, _ := slices.BinarySearch(list, t.ring[t.next])
	if at > gone {
		at--
		copy(t.sorted[gone:at], t.sorted[gone+1:at+1])
	} else {
		copy(t.sorted[at+1:gone+1], t.sorted[at:gone])
	}
	t.sorted[at] = y
	t.ring[t.next] = y
	t.next = (t.next + 1) % most
}

// quantile returns the value at a rank between 0 and 1; 0 if there is none.
func (t *tail) quantile(q float64) float64 {
	if t.n == 0 {
		return 0
	}
	return t.sorted[min(t.n-1, int(q*float64(t.n)))]
}

// above returns the probability of a value of y or more. A tail that has
// never varied has the scale coarse.
func (t *tail) above(y, coarse float64) float64 {
	k, edge := t.exceeding()
	if k == 0 {
		return 1
	}
	threshold := t.sorted[edge]
	if y <= threshold {
		at, _ := slices.BinarySearch(t.sorted[:t.n], y)
		return float64(t.n-at) / float64(t.n)
	}
	at, _ := slices.BinarySearch(t.sorted[:t.n], y)
	return max(float64(t.n-at)/float64(t.n), pareto(t.sorted[edge+1:t.n], 1, threshold, y-threshold, coarse, t.n))
}

// below returns the probability of a value of y or less.
func (t *tail) below(y, coarse float64) float64 {
	k, _ := t.exceeding()
	if k == 0 {
		return 1
	}
	threshold := t.sorted[k]
	if y >= threshold {
		at, _ := slices.BinarySearch(t.sorted[:t.n], math.Nextafter(y, math.Inf(1)))
		return float64(at) / float64(t.n)
	}
	at, _ := slices.BinarySearch(t.sorted[:t.n], math.Nextafter(y, math.Inf(1)))
	return max(float64(at)/float64(t.n), pareto(t.sorted[:k], -1, threshold, threshold-y, coarse, t.n))
}

// exceeding returns how many values count as the tail, and the index of the threshold of the
// upper one.
func (t *tail) exceeding() (k, edge int) {
	if t.n < 20 {
		return 0, 0
	}
	k = max(5, t.n/10)
	return k, t.n - k - 1
}

// The shape is bounded below, where a distribution would end, and its standard error for 50
// values is taken off: else a normal distribution would now and then look heavy-tailed.
const (
	shapeError = 0.1
	leastShape = -0.08
	mostShape  = 0.6
)

// pareto returns the probability of exceeding a threshold by an excess: a generalized Pareto
// distribution fitted to the sorted values beyond the threshold by probability-weighted
// moments. Its scale is enlarged by its standard error, so that little data does not make rare
// events rarer; where all values are the same it is the given one.
func pareto(values []float64, sign, threshold, excess, coarse float64, n int) float64 {
	k := float64(len(values))
	mean, weighted := 0.0, 0.0
	rank, next := 0.65, 1.0 // of the smallest excess, and on the way to the next value
	if sign < 0 {
		rank, next = k-1+0.65, -1
	}
	for _, v := range values {
		e := (v - threshold) * sign
		mean += e
		weighted += e * (k - rank)
		rank += next
	}
	mean /= k
	weighted /= k * k
	shape, scale := 0.0, coarse
	if mean > 0 {
		shape = min(max(2-mean/(mean-2*weighted)-shapeError, leastShape), mostShape)
		scale = mean * (1 - shape)
	}
	scale *= 1 + 1/math.Sqrt(k)
	rate := k / float64(n)
	if scale <= 0 {
		return 0
	}
	if math.Abs(shape) < 0.01 {
		return rate * math.Exp(-excess/scale)
	}
	return rate * math.Pow(max(0, 1+shape*excess/scale), -1/shape)
}
