package daemon

import (
	"strings"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/elixirscope/foundation/cmd/internal/adminapi"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
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
		Revision: status.Revision, Source: status.Source, Drifted: status.Drifted, AppliedAt: status.AppliedAt,
		LastReloadAt: status.LastReload, LastReloadSuccessful: status.LastReloadError == nil,
	}
	if status.LastReloadError != nil {
		s.Config.LastReloadError = status.LastReloadError.Error()
	}
	for _, srv := range d.servers {
		s.Listeners = append(s.Listeners, adminapi.Listener{Name: srv.name, Address: srv.address(), TLS: srv.certs != nil})
	}
	for _, r := range d.gateway.Routes() {
		s.Routes = append(s.Routes, adminapi.Route{Match: r.Match, Guard: r.Guard, Unfinished: r.Unfinished})
	}
}

// Parse reads a configuration that came over the network. It may not reach into
// this machine: neither variables nor files are filled in, and what decides who
// may do so comes from the local file.
func (d *Daemon) Parse(text string) (*config.Config, error) {
	cfg, err := config.Parse("request", []byte(text), config.ParseOptions{Registry: config.Registry{Kinds: d.options.Kinds, Sections: settings.Sections()}})
	if err != nil {
		return nil, err
	}
	current := d.layer.Config().Current().Config
	if foreign := foreignSections(cfg); len(foreign) > 0 {
		return nil, fault.New(fault.Spec{
			Code: fault.Forbidden, Component: "config", Message: strings.Join(foreign, " and ") + " can be set in the local file only",
		})
	}
	cfg = cfg.Clone()
	cfg.Storage = current.Storage
	for _, name := range []string{settings.AdminSection, settings.ProbesSection} {
		delete(cfg.Sections, name)
		if s, ok := current.Sections[name]; ok {
			cfg.Sections[name] = s
		}
	}
	return cfg, nil
}

// foreignSections names what a request set and may not set.
func foreignSections(c *config.Config) []string {
	var names []string
	for _, name := range []string{settings.AdminSection, settings.ProbesSection} {
		if _, set := c.Sections[name]; set {
			names = append(names, name)
		}
	}
	if c.Storage != (config.Storage{}) {
		names = append(names, "storage")
	}
	return names
}

// processCollectors describe the process beside the layer.
func processCollectors() []client.Collector {
	return []client.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
}
