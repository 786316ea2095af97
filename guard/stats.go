package guard

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/internal/stripe"
)

// stats are what a guard counts. On the way of a good call that is one striped
// add when it is admitted and one record when it ends: the histogram of a result
// is also the counter of that result, and what was admitted and has not ended is
// in flight.
type stats struct {
	admitted stripe.Counter
	trailing atomic.Int64 // tokens whose outcome is known and that are still open
	took     [resultCount]timing
	wait     timing

	refused codeCounts
	would   codeCounts

	detached atomic.Uint64 // calls that ran past their time
	panics   atomic.Uint64 // of such calls
	leases   atomic.Uint64 // expired

	retried [3]atomic.Uint64  // attempts by what ended the one before, a [retry.Cause]
	stopped [16]atomic.Uint64 // calls that were not tried again, by [retry.Reason]

	hedgeStats
}

func (s *stats) init() { s.took[Succeeded].make() }

func (s *stats) ended(r Result, took time.Duration) { s.took[r].record(took) }

// inFlight is how many calls have begun and not ended. The ends are read first,
// so that a call that ends meanwhile counts as in flight and never as a negative.
func (s *stats) inFlight() int64 {
	var ended uint64
	for i := range s.took {
		ended += s.took[i].count()
	}
	return s.inFlightOf(ended)
}

// inFlightOf is inFlight where it is known how many have ended.
func (s *stats) inFlightOf(ended uint64) int64 {
	return max(0, int64(s.admitted.Load()-ended)+s.trailing.Load())
}

// timing is a histogram that is made at the first record: most guards never see
// most results, and a histogram has 8 KiB for each processor.
type timing struct {
	histogram atomic.Pointer[histogram.Histogram]
}

func (t *timing) record(d time.Duration) {
	h := t.histogram.Load()
	if h == nil {
		h = t.make()
	}
	h.Record(d)
}

func (t *timing) make() *histogram.Histogram {
	t.histogram.CompareAndSwap(nil, histogram.New())
	return t.histogram.Load()
}

func (t *timing) snapshot() *histogram.Snapshot {
	s := new(histogram.Snapshot)
	t.addTo(s)
	return s
}

func (t *timing) addTo(s *histogram.Snapshot) {
	if h := t.histogram.Load(); h != nil {
		h.AddTo(s)
	}
}

func (t *timing) count() uint64 {
	if h := t.histogram.Load(); h != nil {
		return h.Count()
	}
	return 0
}

// codeCounts counts by fault code.
type codeCounts [32]atomic.Uint64

func (c *codeCounts) add(code fault.Code) { c[int(code)%len(c)].Add(1) }

func (c *codeCounts) of(code fault.Code) uint64 { return c[int(code)%len(c)].Load() }

func (c *codeCounts) total() (sum uint64) {
	for i := range c {
		sum += c[i].Load()
	}
	return sum
}
