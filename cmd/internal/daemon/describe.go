package daemon

import (
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/elixirscope/foundation/admin"
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

// processCollectors describe the process beside the layer.
func processCollectors() []client.Collector {
	return []client.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}
