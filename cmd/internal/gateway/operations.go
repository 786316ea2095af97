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

// The places of a route's reasons: behind them, a code of a refusal has the place of its
// number.
const (
	reasonCanceled = int(upstreamClasses)
	reasonCodes    = reasonCanceled + 1
)

// requestReasons lists what [traffic.readCalls] splits the requests by: the classes of
// failures of the upstream, the clients that left, and the refusals by code.
func requestReasons() []telemetry.Reason {
	list := make([]telemetry.Reason, reasonCodes+refusalCodes) // fewer than telemetry.MaxReasons
	for class := noFailure + 1; class < upstreamClasses; class++ {
		list[class] = telemetry.Reason{Of: "failed", Name: upstreamClassNames[class]}
	}
	list[reasonCanceled] = telemetry.Reason{Of: "ignored", Name: fault.Canceled.String()}
	for _, code := range fault.Codes() {
		if isRefusal(code) {
			list[reasonCodes+int(code)%refusalCodes] = telemetry.Reason{Of: "refused", Name: code.String()}
		}
	}
	return list
}

// readCalls implements the pull contract of [telemetry.Calls].
func (t *traffic) readCalls(into *telemetry.Calls, mark uint64) uint64 {
	now := t.requests.ReadCalls(into, mark)
	for class := noFailure + 1; class < upstreamClasses; class++ {
		into.Reasons[class] = t.failures[class].count.Load()
	}
	into.Reasons[reasonCanceled] = t.ended[statusCanceled].Load()
	for i := range t.refused {
		into.Reasons[reasonCodes+i] = t.refused[i].Load()
	}
	return now
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
