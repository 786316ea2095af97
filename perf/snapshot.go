package perf

import (
	"math"
	"time"

	"github.com/elixirscope/foundation/internal/histogram"
)

// Snapshot is what an operation did in a span of time. Those of several instances, or of
// spans that follow one another, can be merged, and travel as bytes, see
// [Snapshot.MarshalBinary]. The zero Snapshot is empty. It is a value of 8 KiB without
// references: hand it on as a pointer.
type Snapshot struct {
	// From and To bound the span; both are zero in an empty snapshot.
	From, To time.Time

	Counts

	scale  scale // counted from the finest: 0 is 32 buckets for each doubling
	n      uint64
	sum    time.Duration
	bucket [histogram.Buckets]uint64
}

// Error is the greatest relative error of a quantile: 1/64 of what was counted since the
// start, and 1/16, 1/8, 1/4 or 1/2 of a window, which is kept in fewer buckets.
func (s *Snapshot) Error() float64 { return s.resolution().err() }

func (s *Snapshot) resolution() scale { return finest - s.scale }

// Measured is how many durations there are: of a guard those of the calls that succeeded.
func (s *Snapshot) Measured() uint64 { return s.n }

// Mean is the mean of the durations, exactly; 0 if there are none.
func (s *Snapshot) Mean() time.Duration {
	if s.n == 0 {
		return 0
	}
	return time.Duration(float64(s.sum) / float64(s.n))
}

// Quantile returns the duration that a share q of the measured calls did not exceed, to
// [Snapshot.Error]; 0 if there are none, or if q is not a number from 0 to 1.
func (s *Snapshot) Quantile(q float64) time.Duration {
	if s.n == 0 || !(q >= 0 && q <= 1) {
		return 0
	}
	at, seen := s.resolution(), uint64(0)
	for i := range at.buckets() {
		if seen += s.bucket[i]; seen >= rank(q, s.n) {
			return at.middle(i)
		}
	}
	return 0
}

// Within returns the share of the measured calls that took at most d, where the bucket
// that d lies in counts whole; 1 if there are none.
func (s *Snapshot) Within(d time.Duration) float64 {
	if s.n == 0 {
		return 1
	}
	var within uint64
	at := s.resolution()
	for i := range at.buckets() {
		if lower, _ := at.bounds(i); lower > d {
			break
		}
		within += s.bucket[i]
	}
	return float64(within) / float64(s.n)
}

// Rate is how many calls ran in a second of the span.
func (s *Snapshot) Rate() float64 {
	span := s.To.Sub(s.From).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(s.Calls()) / span
}

// Merge adds o. The span becomes the one that holds both, and the resolution that of the
// coarser. Merging is exact, and neither the order nor the grouping matters. Counts stay
// at the greatest number instead of passing it.
func (s *Snapshot) Merge(o *Snapshot) {
	if s.From.IsZero() || !o.From.IsZero() && o.From.Before(s.From) {
		s.From = o.From
	}
	if o.To.After(s.To) {
		s.To = o.To
	}
	s.Counts = Counts{
		capped(s.Succeeded, o.Succeeded), capped(s.Failed, o.Failed), capped(s.Ignored, o.Ignored), capped(s.Refused, o.Refused),
	}
	s.sum = time.Duration(min(capped(uint64(s.sum), uint64(o.sum)), math.MaxInt64))
	s.coarsen(min(s.resolution(), o.resolution()))
	from := o.resolution()
	for i := range from.buckets() {
		if o.bucket[i] > 0 {
			s.count(s.resolution().of(i, from), o.bucket[i])
		}
	}
}

func capped(a, b uint64) uint64 {
	if a+b < a {
		return math.MaxUint64
	}
	return a + b
}

func (s *Snapshot) count(bucket int, n uint64) {
	s.bucket[bucket] = capped(s.bucket[bucket], n)
	s.n = capped(s.n, n)
}

// coarsen brings the histogram to a scale that is not finer than its own.
func (s *Snapshot) coarsen(to scale) {
	from := s.resolution()
	if to >= from {
		return
	}
	was := s.bucket
	clear(s.bucket[:])
	s.scale, s.n = finest-to, 0
	for i := range from.buckets() {
		if was[i] > 0 {
			s.count(to.of(i, from), was[i])
		}
	}
}

// addSlot merges ten seconds.
func (s *Snapshot) addSlot(p *slot) {
	s.Counts = s.plus(p.counts())
	s.sum += p.sum
	s.coarsen(min(s.resolution(), p.scale))
	p.each(func(i int, n uint64) { s.count(s.resolution().of(i, p.scale), n) })
}

// addOpen merges the slot that is being filled.
func (s *Snapshot) addOpen(o *open) {
	s.Counts = s.plus(o.Counts)
	s.sum += o.sum
	s.coarsen(min(s.resolution(), slotScale))
	for i, n := range o.took {
		if n > 0 {
			s.count(s.resolution().of(i, slotScale), uint64(n))
		}
	}
}
