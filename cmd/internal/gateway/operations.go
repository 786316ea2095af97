package gateway

import (
	"net/http"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/telemetry"
)

// Operations lists the routes in use as the monitor pulls them. They are parts of the
// operations of their guards.
func (g *Gateway) Operations() []perf.Source {
	routes := g.table.Load().routes
	list, reasons := make([]perf.Source, 0, len(routes)), requestReasons()
	for _, rt := range routes {
		s := perf.Source{Name: "route:" + rt.name, Kind: "route", Part: rt.traffic, Read: rt.traffic.readCalls, Reasons: reasons}
		if rt.guardName != "" {
			s.Within = []string{rt.guardName}
		}
		list = append(list, s)
	}
	return list
}

// counted is one of the numbers that [traffic.readCalls] splits the requests by.
type counted struct {
	telemetry.Reason

	load func(t *traffic) uint64
}

// countedReasons are those numbers: the classes of failures of the upstream, the refusals by
// code, the answers of the gateway itself, how requests ended that count as none of these, and
// beside them all requests by the class of their status.
var countedReasons = listReasons()

func listReasons() (list []counted) { // fewer than telemetry.MaxReasons
	add := func(of, name string, load func(t *traffic) uint64) {
		list = append(list, counted{telemetry.Reason{Of: of, Name: name}, load})
	}
	for class := noFailure + 1; class < upstreamClasses; class++ {
		add("failed", upstreamClassNames[class], func(t *traffic) uint64 { return t.failures[class].count.Load() })
	}
	for _, code := range fault.Codes() {
		if isRefusal(code) {
			add("refused", code.String(), func(t *traffic) uint64 { return t.refused[int(code)%refusalCodes].Load() })
		}
	}
	for bit, word := range flagNames {
		if ownAnswers&(1<<bit) != 0 {
			add("refused", word, func(t *traffic) uint64 { return t.answered[bit].Load() })
		}
	}
	for how := range neutralEndings {
		add("ignored", neutralNames[how], func(t *traffic) uint64 { return t.neutral[how].Load() })
	}
	for class := range statusClasses {
		add("status", statusClassNames[class], func(t *traffic) uint64 { return t.ended[class].Load() })
	}
	return list
}

func requestReasons() []telemetry.Reason {
	list := make([]telemetry.Reason, len(countedReasons))
	for i := range countedReasons {
		list[i] = countedReasons[i].Reason
	}
	return list
}

// readCalls implements the pull contract of [telemetry.Calls].
func (t *traffic) readCalls(into *telemetry.Calls, mark uint64) uint64 {
	shed, inFlight := t.shed.Load(), t.inFlight()
	now := t.requests.ReadCalls(into, mark-shed) // both only grow: their sum is mark only if neither has
	if now+shed == mark && inFlight == 0 {
		return mark
	}
	into.InFlight = uint64(max(0, inFlight))
	for i := range countedReasons {
		into.Reasons[i] = countedReasons[i].load(t)
	}
	into.Refused = shed
	return now + shed
}

// outcome is how a request ended as its client sees it. What the client did itself says
// nothing about the route: it left, it asked too often, or for what cannot be.
func (i *requestInfo) outcome() outcome.Outcome {
	switch {
	case i.status == http.StatusSwitchingProtocols || i.by == byClient || i.has(clientsOwn):
		return outcome.Ignored
	case i.by != nobody || i.statusCode() >= http.StatusInternalServerError:
		return outcome.Failure
	case i.refusal != 0 || i.status == http.StatusTooManyRequests:
		return outcome.Ignored
	}
	return outcome.Success
}
