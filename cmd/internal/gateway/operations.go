package gateway

import (
	"net/http"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// Operations lists the routes in use as the monitor pulls them. They are parts of the
// operations of their guards.
func (g *Gateway) Operations() []perf.Source {
	routes := g.table.Load().routes
	list := make([]perf.Source, 0, len(routes))
	for _, rt := range routes {
		s := perf.Source{Name: "route:" + rt.match, Kind: "route", Part: rt.held, Read: rt.held.requests.ReadCalls}
		if rt.guardName != "" {
			s.Within = []string{rt.guardName}
		}
		list = append(list, s)
	}
	return list
}

// count counts a request that has ended among those of its route.
func (i *requestInfo) count(began clock.Instant) {
	if i.route != nil {
		i.route.held.requests.Record(clock.Now().Sub(began), i.outcome())
	}
}

// outcome is how a request ended as its client sees it. What the client did itself says
// nothing about the route: it left, it asked too often, or for what cannot be.
func (i *requestInfo) outcome() outcome.Outcome {
	switch by := i.cutBy(); {
	case i.status == http.StatusSwitchingProtocols || by == "client":
		return outcome.Ignored
	case by != "" || i.statusCode() >= http.StatusInternalServerError:
		return outcome.Failure
	case i.refusal != "" || i.status == http.StatusTooManyRequests:
		return outcome.Ignored
	}
	return outcome.Success
}
