package daemon

import (
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/elixirscope/foundation/cmd/internal/adminapi"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
)

// Describe fills in what the layer does not know of itself.
func (d *Daemon) Describe(s *adminapi.Status) {
	s.StartedAt, s.UptimeSeconds = d.started, time.Since(d.started).Seconds()
	s.Ready, s.Draining = d.isReady(), d.draining.Load()
	if lack := d.gateway.Exhausted(); lack != "" {
		s.Reasons = append(s.Reasons, "this machine cannot connect to upstreams: "+lack)
	}
	status := d.layer.Status()
	s.Build, s.Namespace = d.options.Build, status.Namespace
	s.Config = adminapi.ConfigStatus{
		Revision: status.Revision, Source: status.Source, Drifted: status.Drifted, Pending: status.Pending, Attention: status.Attention, AppliedAt: status.AppliedAt,
		LastReloadAt: status.LastReload, LastReloadSuccessful: status.LastReloadError == nil,
	}
	if status.LastReloadError != nil {
		s.Config.LastReloadError = adminapi.Told(status.LastReloadError).Error()
	}
	for _, srv := range d.servers {
		s.Listeners = append(s.Listeners, adminapi.Listener{Name: srv.name, Address: srv.address(), TLS: srv.certs != nil})
	}
	for _, r := range d.gateway.Routes() {
		s.Routes = append(s.Routes, adminapi.Route{Match: r.Match, Guard: r.Guard, Unfinished: r.Unfinished})
	}
}

// Parse reads a configuration that came over the network. It may not reach into
// this machine: what the local file alone sets it may only leave as it is.
func (d *Daemon) Parse(text string) (*config.Config, error) {
	return config.Parse("request", []byte(text), config.ParseOptions{
		Registry: config.Registry{Kinds: d.options.Kinds, Checks: settings.Checks(), Sections: settings.Sections()}, Over: d.layer.Config().Current().Config,
	})
}

// processCollectors describe the process beside the layer.
func processCollectors() []client.Collector {
	return []client.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}
