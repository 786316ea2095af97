package daemon

import (
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/upstreams"
)

// program is what the admin API shows and drives of the daemon.
func (d *Daemon) program() admin.Program {
	return admin.Program{
		Build: d.options.Build, Started: d.started, NotReady: d.notReady, Draining: d.draining.Load, Attention: d.attention,
		Listeners: d.listeners, Routes: d.routes, Check: d.check, Change: d.changing, Reload: d.Reload, Backup: d.Backup,
		Switches: d.options.Switches, Switch: d.options.Switch,
	}
}

func (d *Daemon) attention() (reasons []string) {
	if lack := d.gateway.Exhausted(); lack != "" {
		reasons = append(reasons, "this machine cannot connect to upstreams: "+lack)
	}
	if err := d.unreadable.Load(); err != nil {
		reasons = append(reasons, "the last reload was refused, and what was in force stays: "+(*err).Error())
	}
	return reasons
}

func (d *Daemon) listeners() (list []admin.Listener) {
	for _, srv := range d.servers {
		list = append(list, admin.Listener{Name: srv.name, Address: srv.address(), TLS: srv.certs != nil})
	}
	return list
}

func (d *Daemon) routes() (list []admin.Route) {
	for _, r := range d.gateway.Routes() {
		v := admin.Route{
			Name: r.Name, Match: r.Match, Guard: r.Guard, Upstream: r.Upstream, InFlight: r.InFlight, OldestSeconds: r.Oldest.Seconds(), Requests: r.Requests,
			Failures: []admin.UpstreamFailure{}, RefusedBy: r.Refused, CutBy: r.Cut, NotReading: r.NotReading, Unfinished: r.Unfinished,
			BytesIn: r.BytesIn, BytesOut: r.BytesOut, MaxBody: r.MaxBody, MaxPerKey: r.MaxPerKey,
		}
		v.Upstreams, v.Panic, v.Lookup = hosts(&r), admin.Panic{On: r.Upstreams.Panics, Since: r.Upstreams.Since, Requests: r.Upstreams.Panicked}, lookup(r.Lookup)
		for _, f := range r.Failures {
			v.Failures = append(v.Failures, admin.UpstreamFailure{Class: f.Class, Count: f.Count, Last: f.Last, Reason: f.Reason})
		}
		for _, n := range r.Refused {
			v.Refused += n
		}
		list = append(list, v)
	}
	return list
}

// hosts shows the hosts of a route.
func hosts(r *gateway.RouteStatus) (list []admin.Upstream) {
	for _, h := range r.Upstreams.Hosts {
		v := admin.Upstream{
			Name: h.Name, Route: r.Name, State: h.State.String(), Reason: h.Cause, Since: h.Since, Until: h.Until, Share: h.Share, InFlight: h.InFlight,
			Requests: h.Counts.Ended(), Failures: h.Counts.Failures, Ignored: h.Counts.Ignored, ConsecutiveFailures: h.Row, Ejections: h.Counts.Ejections, FailingSince: h.Failing, EjectionsInRow: h.Repeats,
			LastError: admin.UpstreamError{Class: h.Last.Class, Reason: h.Last.Reason, At: h.Last.At}, Check: h.Check,
		}
		if h.State == upstreams.Unwell {
			v.Reason = h.Check
		}
		list = append(list, v)
	}
	return list
}

// lookup shows how the hosts of a route were found.
func lookup(l *gateway.Lookup) admin.Lookup {
	if l == nil {
		return admin.Lookup{}
	}
	return admin.Lookup{
		Name: l.Name, EverySeconds: l.Every.Seconds(), At: l.At, Answers: l.Answers, Left: l.Left, Lookups: l.Lookups, Failures: l.Failures, Error: l.Err, Since: l.Since,
	}
}

// processCollectors describe the process beside the layer.
func processCollectors() []client.Collector {
	return []client.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}
