package guard

import "github.com/elixirscope/foundation/telemetry"

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
	into.Failed = s.took[Failed].count() + s.took[TimedOut].count()
	into.Ignored = s.took[CallerLeft].count() + s.took[Indifferent].count()
	into.Refused = refused
	if into.Succeeded+into.Failed+into.Ignored != admitted {
		return 0
	}
	return quiet
}
