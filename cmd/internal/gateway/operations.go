package gateway

import (
	"net/http"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// Operations lists the routes in use as the monitor pulls them. They are parts of the
// operations of their guards.
func (g *Gateway) Operations() []perf.Source {
	routes := g.table.Load().routes
	list := make([]perf.Source, 0, len(routes))
	for _, rt := range routes {
		s := perf.Source{Name: "route:" + rt.name, Kind: "route", Part: rt.traffic, Read: rt.traffic.requests.ReadCalls}
		if rt.guardName != "" {
			s.Within = []string{rt.guardName}
		}
		list = append(list, s)
	}
	return list
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
