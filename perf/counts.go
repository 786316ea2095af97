package perf

import (
	"math"
	"time"

	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/telemetry"
)

// Counts are numbers of calls by how they ended.
type Counts struct {
	Succeeded uint64
	Failed    uint64
	Ignored   uint64 // said nothing about the operation: the caller gave up
	Refused   uint64 // did not run
}

// Calls is how many ran and said something.
func (c Counts) Calls() uint64 { return c.Succeeded + c.Failed }

// ErrorRatio is the share of those that failed, 0 if there are none.
func (c Counts) ErrorRatio() float64 {
	if c.Calls() == 0 {
		return 0
	}
	return float64(c.Failed) / float64(c.Calls())
}

func (c Counts) plus(o Counts) Counts {
	return Counts{c.Succeeded + o.Succeeded, c.Failed + o.Failed, c.Ignored + o.Ignored, c.Refused + o.Refused}
}

func (c Counts) minus(o Counts) Counts {
	return Counts{c.Succeeded - o.Succeeded, c.Failed - o.Failed, c.Ignored - o.Ignored, c.Refused - o.Refused}
}

// small are the counts of a second or of ten: four words instead of eight.
type small struct{ succeeded, failed, ignored, refused uint32 }

func (c Counts) small() small {
	clamp := func(n uint64) uint32 { return uint32(min(n, math.MaxUint32)) }
	return small{clamp(c.Succeeded), clamp(c.Failed), clamp(c.Ignored), clamp(c.Refused)}
}

func (s small) counts() Counts {
	return Counts{uint64(s.succeeded), uint64(s.failed), uint64(s.ignored), uint64(s.refused)}
}

func countsOf(c *telemetry.Calls) Counts { return Counts{c.Succeeded, c.Failed, c.Ignored, c.Refused} }

// fine is a histogram of the recorder's resolution in half of the room: counts of a
// second, or cumulative ones modulo 2^32, whose differences are right all the same.
type fine [histogram.Buckets]uint32

// delta is what an operation has counted in one second. The monitor has one, which all
// operations use in turn.
type delta struct {
	Counts

	took     fine
	low, top int // the range of buckets that are not empty; low > top if all are
	n        uint64
	sum      time.Duration
	inFlight uint64 // at its end
	reasons  [telemetry.MaxReasons]uint32
	split    int // how many of the reasons there are
}

// since fills d with what now has more than before, and brings before up to now.
func (d *delta) since(now *telemetry.Calls, before *totals, reasons int) {
	d.split, d.inFlight = reasons, now.InFlight
	for i := range reasons {
		is := uint32(now.Reasons[i])
		d.reasons[i] = is - before.reasons[i]
		before.reasons[i] = is
	}
	c := countsOf(now)
	d.Counts = c.minus(before.Counts)
	before.Counts = c
	d.sum = now.Took.Total() - before.sum
	before.sum = now.Took.Total()
	d.n, d.low, d.top = 0, histogram.Buckets, -1
	for i := range before.took {
		is := uint32(now.Took.Bucket(i))
		n := is - before.took[i]
		d.took[i] = n
		if n == 0 {
			continue
		}
		before.took[i] = is
		d.n += uint64(n)
		d.low, d.top = min(d.low, i), i
	}
}

// totals are the cumulative counts as they were last pulled.
type totals struct {
	Counts

	sum     time.Duration
	took    fine
	reasons [telemetry.MaxReasons]uint32 // modulo 2^32
}

// The quantiles of each second, see [Quantiles].
const quantiles = 5

// Quantiles lists the quantiles that are kept for each second: the median and those of
// 90, 95, 99 and 99.9 in a hundred calls.
func Quantiles() [quantiles]float64 { return [...]float64{0.5, 0.9, 0.95, 0.99, 0.999} }

// rank is the position of a quantile among n sorted values, from 1.
func rank(q float64, n uint64) uint64 {
	return min(max(1, uint64(math.Ceil(q*float64(n)))), n)
}

// quantiles returns the buckets of the quantiles, counted from 1; 0 stands for none.
func (d *delta) quantiles() (out [quantiles]uint16) {
	if d.n == 0 {
		return out
	}
	var seen uint64
	next, all := 0, Quantiles()
	for i := d.low; i <= d.top && next < quantiles; i++ {
		seen += uint64(d.took[i])
		for next < quantiles && seen >= rank(all[next], d.n) {
			out[next] = uint16(i + 1)
			next++
		}
	}
	return out
}
