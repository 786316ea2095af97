package perf

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/internal/stripe"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// Operation counts the calls of one operation of the program's own. The zero value is
// ready; most come from [Monitor.Operation]. It is safe for concurrent use and must not be
// copied. A nil Operation counts nothing.
type Operation struct {
	took            atomic.Pointer[histogram.Histogram] // made at the first success
	failed, ignored stripe.Counter
}

// Record counts one call that took d. Durations count only of calls that succeeded: a
// dependency that fails fast is no fast one. It takes no lock and does not allocate but for
// the first success.
func (o *Operation) Record(d time.Duration, how outcome.Outcome) {
	switch {
	case o == nil:
	case how == outcome.Success:
		h := o.took.Load()
		if h == nil {
			h = o.make()
		}
		h.Record(d)
	case how == outcome.Failure:
		o.failed.Add(1)
	default:
		o.ignored.Add(1)
	}
}

func (o *Operation) make() *histogram.Histogram {
	o.took.CompareAndSwap(nil, histogram.New())
	return o.took.Load()
}

// ReadCalls implements the pull contract of [telemetry.Calls].
func (o *Operation) ReadCalls(into *telemetry.Calls, mark uint64) uint64 {
	failed, ignored := o.failed.Load(), o.ignored.Load()
	h := o.took.Load()
	now := 1 + failed + ignored
	if h != nil {
		now += h.Count()
	}
	if now == mark {
		return mark
	}
	into.Took = telemetry.Durations{}
	if h != nil {
		h.AddTo(&into.Took)
	}
	into.Succeeded, into.Failed, into.Ignored, into.Refused = into.Took.Count(), failed, ignored, 0
	return 1 + into.Succeeded + failed + ignored
}
