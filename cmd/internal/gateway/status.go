package gateway

import (
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/telemetry"
)

// RouteStatus is what is known of a route. All that is counted stays over reloads that
// keep the route's name.
type RouteStatus struct {
	// Name is the route's name, or its match where it was given none.
	Name, Match, Guard string
	Upstream           string // host and port, as configured; of several, the first and how many more
	// Upstreams are the hosts, and Lookup how the latest of them were found: nil where they are listed.
	Upstreams upstreams.Status
	Lookup    *Lookup
	InFlight  int64
	Oldest    time.Duration // of those in flight
	// Requests are those that have ended, by "1xx" to "5xx", or "canceled" if the client
	// left before its answer was complete.
	Requests map[string]uint64
	// Failures are the classes of failures of the upstream that there were, the latest
	// first. What a client did is in none of them.
	Failures []UpstreamFailures
	// Refused are the refusals of the guard and of the limits of the route, by code, and the
	// answers of the gateway itself to what a client sent, by "body_too_large",
	// "header_too_large" and "bad_request".
	Refused map[string]uint64
	// Cut are the answers that were broken off, by "client", "upstream" or "gateway".
	Cut map[string]uint64
	// NotReading counts the clients that were cut because they took nothing of their
	// answer in time. They are in Cut as well.
	NotReading uint64
	// Unfinished counts the answers without a declared length that ended before their
	// end: the upstream, or the idle limit, broke them off.
	Unfinished uint64
	// BytesIn and BytesOut are those of bodies, without upgraded connections.
	BytesIn, BytesOut uint64
	// MaxBody is how large the body of a request may be, in bytes, and MaxPerKey how many
	// requests of one key may be in flight; 0: no limit.
	MaxBody   int64
	MaxPerKey int

	traffic *traffic
}

// UpstreamFailures are the failures of an upstream that are of one class.
type UpstreamFailures struct {
	// Class is refused, reset, dns, tls, timeout, protocol, eof, other, status_5xx or
	// status_grpc.
	Class string
	Count uint64
	Last  time.Time
	// Reason is the text of a recent one, the last that stands in the log.
	Reason string
}

// Durations are how long the requests took that have ended, from their header to the end
// of their answer, without upgraded connections.
func (s *RouteStatus) Durations() *telemetry.Durations { return s.traffic.durations() }

// Routes lists the routes in use, in the order of the configuration.
func (g *Gateway) Routes() []RouteStatus {
	routes := g.table.Load().routes
	list := make([]RouteStatus, 0, len(routes))
	for _, rt := range routes {
		list = append(list, rt.status())
	}
	return list
}

func (rt *route) status() RouteStatus {
	t := rt.traffic
	s := RouteStatus{
		Name: rt.name, Match: rt.match, Guard: rt.guardName, Upstream: rt.upstream, InFlight: t.inFlight(), Oldest: t.flights.oldest(clock.Now()),
		Requests: map[string]uint64{}, Refused: map[string]uint64{}, Cut: map[string]uint64{}, Failures: t.failureList(),
		NotReading: t.unread.Load(), Unfinished: t.unfinished.Load(), BytesIn: t.in.Load(), BytesOut: t.out.Load(),
		MaxBody: rt.maxBody, MaxPerKey: rt.maxPerKey, Upstreams: rt.hosts.Status(clock.Now()), Lookup: rt.lookup.status(), traffic: t,
	}
	for class := range t.ended {
		s.Requests[statusClassNames[class]] = t.ended[class].Load()
	}
	t.refusals(func(reason string, n uint64) { s.Refused[reason] = n })
	for by := byClient; by < cutParties; by++ {
		s.Cut[by.String()] = t.cut[by].Load()
	}
	return s
}

func (t *traffic) failureList() []UpstreamFailures {
	list := []UpstreamFailures{}
	for class := noFailure + 1; class < upstreamClasses; class++ {
		if f, found := t.failures[class].status(); found {
			f.Class = upstreamClassNames[class]
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b UpstreamFailures) int { return b.Last.Compare(a.Last) })
	return list
}

func (t *traffic) durations() *telemetry.Durations {
	var calls telemetry.Calls
	t.requests.ReadCalls(&calls, 0)
	if h := t.others.Load(); h != nil {
		h.AddTo(&calls.Took)
	}
	return &calls.Took
}
