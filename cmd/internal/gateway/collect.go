package gateway

import (
	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Gateway)(nil)

func metric(kind telemetry.Kind, name, help string, labels ...string) *telemetry.Desc {
	return &telemetry.Desc{Name: "foundation_route_" + name, Help: help, Kind: kind, Labels: append([]string{"route"}, labels...)}
}

// The metrics of a route. docs/gateway.md tells how many series that makes.
var (
	descRequests   = metric(telemetry.Counter, "requests_total", "Requests that have ended, by the class of their status; canceled if the client left before its answer was complete.", "status")
	descFailures   = metric(telemetry.Counter, "upstream_errors_total", "Failures of the upstream, by class. What a client did is in none of them.", "class")
	descRejections = metric(telemetry.Counter, "rejections_total", "Requests that the guard, a limit of the route or the gateway itself refused, by reason.", "reason")
	descCut        = metric(telemetry.Counter, "cut_total", "Answers that were broken off before their end, by who did it.", "by")
	descUnread     = metric(telemetry.Counter, "clients_not_reading_total", "Clients that were cut because they took nothing of their answer in time.")
	descUnfinished = metric(telemetry.Counter, "unfinished_total", "Answers without a declared length that the upstream, or the idle limit, broke off.")
	descDuration   = metric(telemetry.Histogram, "duration_seconds", "Duration of requests to the end of their answers, without upgraded connections.")
	descIn         = metric(telemetry.Counter, "request_bytes_total", "Bytes of the bodies of requests that have ended.")
	descOut        = metric(telemetry.Counter, "response_bytes_total", "Bytes of the bodies of answers that have ended.")
	descInFlight   = metric(telemetry.Gauge, "in_flight", "Requests that have begun and not ended, upgraded connections included.")
)

var descConnectionsUnread = &telemetry.Desc{
	Name: "foundation_gateway_connections_unread_total", Help: "Client connections that were cut because nothing was read from them in time, between answers as well.", Kind: telemetry.Counter,
}

// Collect implements [telemetry.Source]. Every series exists from the start and goes with
// its route.
func (g *Gateway) Collect(emit func(telemetry.Sample)) {
	emit(telemetry.Sample{Desc: descConnectionsUnread, Value: float64(g.unread.Load())})
	for _, rt := range g.table.Load().routes {
		collector{rt.name, emit}.collect(rt.traffic)
		if rt.several() {
			collector{rt.name, emit}.hosts(rt)
		}
	}
}

// collector passes the samples of one route on.
type collector struct {
	route string
	emit  func(telemetry.Sample)
}

func (c collector) collect(t *traffic) {
	for class := range t.ended {
		c.value(descRequests, t.ended[class].Load(), statusClassNames[class])
	}
	for class := noFailure + 1; class < upstreamClasses; class++ {
		c.value(descFailures, t.failures[class].count.Load(), upstreamClassNames[class])
	}
	t.refusals(func(reason string, n uint64) { c.value(descRejections, n, reason) })
	for by := byClient; by < cutParties; by++ {
		c.value(descCut, t.cut[by].Load(), by.String())
	}
	c.value(descUnread, t.unread.Load())
	c.value(descUnfinished, t.unfinished.Load())
	c.value(descIn, t.in.Load())
	c.value(descOut, t.out.Load())
	c.emit(telemetry.Sample{Desc: descInFlight, Labels: []string{c.route}, Value: float64(t.inFlight())})
	c.emit(telemetry.Sample{Desc: descDuration, Labels: []string{c.route}, Distribution: t.durations()})
}

func (c collector) value(desc *telemetry.Desc, n uint64, labels ...string) {
	c.emit(telemetry.Sample{Desc: desc, Labels: append([]string{c.route}, labels...), Value: float64(n)})
}
