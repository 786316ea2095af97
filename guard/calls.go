package guard

import (
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// The places of a guard's reasons: behind the first three, a code has the place of its number.
const (
	reasonTimedOut = iota
	reasonCanceled
	reasonIgnored
	reasonCodes
)

// CallReasons lists what [Guard.ReadCalls] splits the calls by: those that ran past their
// time limit, those whose caller gave up, those that ended in a way that says nothing about
// what is guarded, and the refusals by code.
func CallReasons() []telemetry.Reason {
	list := make([]telemetry.Reason, reasonCodes+len(codeCounts{}))
	list[reasonTimedOut] = telemetry.Reason{Of: "failed", Name: fault.CallTimeout.String()}
	list[reasonCanceled] = telemetry.Reason{Of: "ignored", Name: fault.Canceled.String()}
	list[reasonIgnored] = telemetry.Reason{Of: "ignored", Name: "ignored"}
	for _, code := range fault.Codes() {
		list[reasonCodes+int(code)%len(codeCounts{})] = telemetry.Reason{Of: "refused", Name: code.String()}
	}
	return list
}

// ReadCalls implements the pull contract of [telemetry.Calls]: the calls of the guard over
// all revisions. A guard that is idle answers with one look at its counters.
func (g *Guard) ReadCalls(into *telemetry.Calls, mark uint64) uint64 {
	s := &g.stats
	// What was admitted is read before what has ended: if both agree nothing is in flight,
	// and until more is admitted or refused nothing can be counted.
	admitted, refused := s.admitted.Load(), s.refused.total()
	quiet := admitted + refused + 1
	if mark == quiet {
		return mark
	}
	into.Took = telemetry.Durations{}
	s.took[Succeeded].addTo(&into.Took)
	into.Succeeded = into.Took.Count()
	timedOut, left := s.took[TimedOut].count(), s.took[CallerLeft].count()
	into.Failed = s.took[Failed].count() + timedOut
	ignored := s.took[Indifferent].count()
	into.Ignored = left + ignored
	into.Refused = refused
	into.Reasons[reasonTimedOut], into.Reasons[reasonCanceled], into.Reasons[reasonIgnored] = timedOut, left, ignored
	for i := range s.refused {
		into.Reasons[reasonCodes+i] = s.refused[i].Load()
	}
	ended := into.Succeeded + into.Failed + into.Ignored
	if ended == admitted {
		return quiet
	}
	if ended < admitted { // what was read last may have gone on
		into.InFlight = admitted - ended
	}
	return 0
}
