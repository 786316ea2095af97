package gateway

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/internal/stripe"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// traffic is what is counted of one route. It outlives reloads that keep the route, by
// its name. On the way of a good request that is an add when it begins, two when it has
// ended, and a record of how long it took.
type traffic struct {
	begun    stripe.Counter
	flights  flights
	ended    [statusClasses]stripe.Counter
	in       stripe.Counter // bytes of bodies
	out      stripe.Counter
	failures [upstreamClasses]failures
	refused  [refusalCodes]atomic.Uint64
	answered [len(flagNames)]atomic.Uint64 // by the gateway itself, by the bit of the flag; those of ownAnswers alone
	// shed counts the requests that were refused without having failed.
	shed    atomic.Uint64
	neutral [neutralEndings]atomic.Uint64
	cut     [cutParties]atomic.Uint64
	unread  atomic.Uint64
	// unfinished counts the answers without a declared length that ended before their end.
	unfinished atomic.Uint64
	// requests are judged as the monitor sees them; it has the durations of those that
	// succeeded, and others the rest.
	requests perf.Operation
	others   atomic.Pointer[histogram.Histogram]
}

// statusClass is how a request ended: by the hundreds of its status, or without an answer
// that anybody waited for.
type statusClass uint8

const (
	status1xx statusClass = iota
	status2xx
	status3xx
	status4xx
	status5xx
	statusCanceled
	statusClasses
)

var statusClassNames = [statusClasses]string{"1xx", "2xx", "3xx", "4xx", "5xx", "canceled"}

func classOfStatus(status int) statusClass {
	if status < 100 || status > 599 {
		return status5xx
	}
	return statusClass(status/100 - 1)
}

// statusClass is how the request ended. A handler that panicked has answered nothing.
func (i *requestInfo) statusClass() statusClass {
	switch {
	case i.has(flagClientCanceled) || i.by == byClient:
		return statusCanceled
	case i.by == byGateway && i.status == 0:
		return status5xx
	}
	return classOfStatus(i.statusCode())
}

// refusalCodes is more than there are fault codes.
const refusalCodes = 32

// party is one of those who can break off an answer.
type party uint8

const (
	nobody party = iota
	byClient
	byUpstream
	byGateway
	cutParties
)

var partyNames = [cutParties]string{"", "client", "upstream", "gateway"}

func (p party) String() string { return partyNames[p] }

// begin counts a request that begins.
func (t *traffic) begin(i *requestInfo) {
	t.begun.Add(1)
	t.flights.add(i)
}

// end counts a request that has ended, after [requestInfo.conclude].
func (t *traffic) end(i *requestInfo, took time.Duration) {
	t.flights.remove(i)
	how := i.outcome()
	t.settle(i, took, how)
	if how != outcome.Success && i.status != http.StatusSwitchingProtocols {
		t.recordOther(took)
	}
	if i.bytes > 0 {
		t.out.Add(uint64(i.bytes))
	}
	if i.upload != nil {
		t.in.Add(i.upload.received.Load())
	}
	if i.by != nobody {
		t.cut[i.by].Add(1)
	}
	if i.has(flagClientNotReading) {
		t.unread.Add(1)
	}
	t.ended[i.statusClass()].Add(1) // last: it is no longer in flight
}

func (t *traffic) recordOther(took time.Duration) {
	h := t.others.Load()
	if h == nil {
		t.others.CompareAndSwap(nil, histogram.New())
		h = t.others.Load()
	}
	h.Record(took)
}

// inFlight is how many requests have begun and not ended. The ends are read first, so
// that one that ends meanwhile counts as in flight and never as a negative.
func (t *traffic) inFlight() int64 {
	var ended uint64
	for i := range t.ended {
		ended += t.ended[i].Load()
	}
	return int64(t.begun.Load() - ended)
}

// refusals yields the refusals by the code, and the answers of the gateway itself by their
// word: those of the usual codes always, and others if there were any.
func (t *traffic) refusals(yield func(reason string, n uint64)) {
	for i := range t.refused {
		code := fault.Code(i)
		if n := t.refused[i].Load(); n > 0 || isUsualRefusal(code) {
			yield(code.String(), n)
		}
	}
	for bit := range t.answered {
		if n := t.answered[bit].Load(); n > 0 {
			yield(flagNames[bit], n)
		}
	}
}

func isUsualRefusal(code fault.Code) bool {
	switch code {
	case fault.CircuitOpen, fault.RateLimited, fault.ConcurrencyLimited, fault.MemoryPressure, fault.InFlightLimited, fault.Unavailable:
		return true
	default:
		return false
	}
}

// isRefusal tells the codes that a guard, or a limit of the route, refuses with. That a
// client left, or asked for what cannot be, is its own affair.
func isRefusal(code fault.Code) bool {
	return code.Refusal() && code != fault.Canceled && code != fault.InvalidArgument
}
