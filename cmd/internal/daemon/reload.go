package daemon

import (
	"context"
	"crypto/tls"
	"log/slog"

	"github.com/elixirscope/foundation/cmd/internal/adminapi"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// Reload reads the configuration file again and takes it over, or returns what
// is wrong with it and changes nothing. It reports what changed.
func (d *Daemon) Reload(ctx context.Context) (adminapi.Applied, error) {
	return d.changing(func() (config.Applied, error) {
		d.watch.accept() // what is read now, good or bad, has been tried
		renew, err := d.readCertificates()
		if err != nil {
			return config.Applied{}, err
		}
		applied, err := d.reloadRoutes(ctx)
		if err == nil {
			renew()
		}
		return applied, err
	})
}

// reloadRoutes reloads the layer and with it the routes. A file that says what it
// said before is no change to the layer; the certificates that it names for
// upstreams may be others all the same.
func (d *Daemon) reloadRoutes(ctx context.Context) (config.Applied, error) {
	before := d.layer.Config().Current().Number
	applied, err := d.layer.Config().Reload(ctx, config.By{})
	if err != nil || applied.Revision != before { // prepareGateway has seen to them
		return applied, err
	}
	table, err := d.table(d.layer.Config().Current().Config)
	if err != nil {
		return applied, err
	}
	return applied, d.gateway.Use(table, d.layer.Guard)
}

// readCertificates reads the certificates of all listeners and returns how to
// put them in force.
func (d *Daemon) readCertificates() (renew func(), err error) {
	next := map[*certificates]*tls.Config{}
	for _, s := range d.servers {
		if s.certs == nil {
			continue
		}
		if next[s.certs], err = s.certs.read(); err != nil {
			return nil, err
		}
	}
	return func() {
		for certs, config := range next {
			certs.current.Store(config)
		}
	}, nil
}

// Apply takes over a configuration that did not come from the file.
func (d *Daemon) Apply(ctx context.Context, cfg *config.Config, by config.By) (adminapi.Applied, error) {
	return d.changing(func() (config.Applied, error) { return d.layer.Config().Apply(ctx, cfg, by) })
}

// changing runs one change and reports the difference that it made.
func (d *Daemon) changing(change func() (config.Applied, error)) (adminapi.Applied, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return adminapi.Applied{}, fault.New(fault.Spec{Code: fault.Closed, Component: "foundation", Message: "the daemon is stopping"})
	}
	applied, err := change()
	return adminapi.Applied{
		APIVersion: adminapi.Version, Revision: d.layer.Config().Current().Number, Changes: adminapi.ChangeViews(applied.Changes), Warnings: adminapi.WarningViews(applied.Warnings),
	}, err
}

// Plan says what cfg would change and changes nothing.
func (d *Daemon) Plan(cfg *config.Config) (adminapi.Applied, error) {
	changes, err := d.layer.Config().Plan(cfg)
	return d.planned(cfg, changes, err)
}

// PlanReload says what a reload of the file would change.
func (d *Daemon) PlanReload() (adminapi.Applied, error) {
	cfg, changes, err := d.layer.Config().PlanReload()
	return d.planned(cfg, changes, err)
}

// planned answers with a plan, after a look at what only the gateway knows of it:
// the certificates that its routes name.
func (d *Daemon) planned(cfg *config.Config, changes []config.Change, err error) (adminapi.Applied, error) {
	if err == nil {
		_, err = d.table(cfg)
	}
	return adminapi.Applied{
		APIVersion: adminapi.Version, Revision: d.layer.Config().Current().Number, DryRun: true, Changes: adminapi.ChangeViews(changes),
		Warnings: adminapi.WarningViews(d.warnings(cfg, err)),
	}, err
}

// sections are the daemon's own sections of the configuration: the admin API, which
// takes over tokens and hosts, and the gateway, which takes over its routes.
func (d *Daemon) sections() []config.Section {
	all := settings.Sections()
	for i := range all {
		switch all[i].Name {
		case settings.AdminSection:
			all[i].Prepare = d.prepareAdmin
		case settings.GatewaySection:
			all[i].Prepare = d.prepareGateway
		}
	}
	return all
}

type guardLookup = func(name string) (*guard.Guard, error)

func (d *Daemon) prepareAdmin(_ context.Context, _, next *config.Config, _ guardLookup) (config.Transition, error) {
	return config.Transition{Commit: func(config.Revision) {
		if d.admin.Load() != nil { // not at the start
			d.guardAdmin(settings.AdminOf(next))
		}
	}}, nil
}

func (d *Daemon) prepareGateway(_ context.Context, _, next *config.Config, guards guardLookup) (config.Transition, error) {
	table, err := d.table(next)
	return config.Transition{Commit: func(config.Revision) {
		if err := d.gateway.Use(table, guards); err != nil { // guards were checked with the names
			d.log.Error("the routes are not in use", slog.String("error", err.Error()))
		}
	}}, err
}

// table makes the routes of cfg.
func (d *Daemon) table(cfg *config.Config) (*gateway.Table, error) {
	g := settings.GatewayOf(cfg)
	if g == nil {
		g = &settings.Gateway{}
	}
	return d.gateway.Prepare(*g)
}

// reloadAndLog is a reload that nobody waits for.
func (d *Daemon) reloadAndLog(ctx context.Context, why string) {
	applied, err := d.Reload(ctx)
	if err != nil {
		d.log.Error("the configuration is refused, the old one stays", slog.String("why", why), slog.String("error", err.Error()))
		return
	}
	d.log.Info("the configuration is in use", slog.String("why", why), slog.Uint64("revision", applied.Revision), slog.Int("changes", len(applied.Changes)))
}

// warnings lists what is very likely a mistake in a configuration that can be used.
func (d *Daemon) warnings(cfg *config.Config, err error) []fault.Problem {
	if err != nil {
		return nil
	}
	return cfg.Warnings(config.Registry{Kinds: d.options.Kinds, Sections: settings.Sections()})
}
