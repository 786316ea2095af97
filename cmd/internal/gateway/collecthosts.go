package gateway

import (
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
	"github.com/elixirscope/foundation/telemetry"
)

func hostMetric(kind telemetry.Kind, name, help string, labels ...string) *telemetry.Desc {
	return &telemetry.Desc{Name: "foundation_upstream_" + name, Help: help, Kind: kind, Labels: append([]string{"route", "upstream"}, labels...)}
}

// The metrics of the hosts of a route that has several. The label upstream is a host of the
// list, or the name that is looked up: never an address that the DNS gave.
var (
	descHostAttempts  = hostMetric(telemetry.Counter, "attempts_total", "Attempts that have ended, by what they say of the host.", "outcome")
	descHostInFlight  = hostMetric(telemetry.Gauge, "in_flight", "Attempts that have begun and not ended.")
	descHostEjections = hostMetric(telemetry.Counter, "ejections_total", "How often a host was ejected.")
	descHostCount     = hostMetric(telemetry.Gauge, "hosts", "Hosts, by state: 1 for a host of a list, any number for a name that is looked up.", "state")
	descLookups       = hostMetric(telemetry.Counter, "lookups_total", "Lookups of the name, by whether the answer was good.", "outcome")
	descUnused        = hostMetric(telemetry.Gauge, "unused_addresses", "Addresses of the name that are not used because there are too many.")

	descPanic = &telemetry.Desc{
		Name: "foundation_upstream_panic", Help: "Whether more than half of the hosts of the route are out, so that all of them get requests.", Kind: telemetry.Gauge, Labels: []string{"route"},
	}
)

// hosts passes on the samples of the hosts of a route.
func (c collector) hosts(rt *route) {
	s := rt.hosts.Status(clock.Now())
	on := 0.0
	if s.Panics {
		on = 1
	}
	c.emit(telemetry.Sample{Desc: descPanic, Labels: []string{c.route}, Value: on})
	if rt.lookup == nil {
		for i := range s.Hosts {
			c.host(s.Hosts[i].Name, s.Hosts[i].Counts, s.Hosts[i:i+1])
		}
		return
	}
	l := rt.lookup.status()
	c.host(l.Name, s.Counts, s.Hosts)
	c.value(descLookups, l.Lookups-l.Failures, l.Name, "success")
	c.value(descLookups, l.Failures, l.Name, "failure")
	c.value(descUnused, uint64(l.Left), l.Name)
}

// host passes on what one host counts, or all those of a name.
func (c collector) host(name string, n upstreams.Counts, hosts []upstreams.HostStatus) {
	c.value(descHostAttempts, n.Successes, name, "success")
	c.value(descHostAttempts, n.Failures, name, "failure")
	c.value(descHostAttempts, n.Ignored, name, "ignored")
	c.value(descHostEjections, n.Ejections, name)
	states, inFlight := map[upstreams.State]uint64{}, int64(0)
	for i := range hosts {
		states[hosts[i].State]++
		inFlight += hosts[i].InFlight
	}
	for _, s := range []upstreams.State{upstreams.Active, upstreams.SlowStart, upstreams.Unwell, upstreams.Ejected} {
		c.value(descHostCount, states[s], name, s.String())
	}
	c.emit(telemetry.Sample{Desc: descHostInFlight, Labels: []string{c.route, name}, Value: float64(inFlight)})
}
