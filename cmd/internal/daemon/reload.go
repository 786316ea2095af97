package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"log/slog"
	"strings"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/cmd/internal/adminapi"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// Reload reads the configuration file again and takes it over, or returns what
// is wrong with it and changes nothing. It reports what changed.
func (d *Daemon) Reload(ctx context.Context) (adminapi.Applied, error) {
	return d.changing(func() error {
		d.watch.accept() // what is read now, good or bad, has been tried
		renew, err := d.readCertificates()
		if err != nil {
			return err
		}
		if err := d.reloadRoutes(ctx); err != nil {
			return err
		}
		renew()
		return nil
	})
}

// reloadRoutes reloads the layer and with it the routes. A file that says what it
// said before is no change to the layer; the certificates that it names for
// upstreams may be others all the same.
func (d *Daemon) reloadRoutes(ctx context.Context) error {
	_, before, _ := d.layer.Config()
	if err := d.layer.Reload(ctx); err != nil {
		return err
	}
	cfg, after, _ := d.layer.Config()
	if after != before {
		return nil // prepare has seen to them
	}
	table, err := d.prepareGateway(cfg)
	if err != nil {
		return err
	}
	return d.gateway.Use(table, d.layer.Guard)
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

// Apply takes over a configuration that did not come from the file, if the
// revision seen, or adminapi.AnyRevision, is in force.
func (d *Daemon) Apply(ctx context.Context, cfg *config.Config, seen uint64) (adminapi.Applied, error) {
	return d.changing(func() (err error) {
		if seen == adminapi.AnyRevision {
			_, err = d.layer.Apply(ctx, cfg)
		} else {
			_, err = d.layer.ApplyAt(ctx, cfg, seen)
		}
		return err
	})
}

// changing runs one change and reports the difference that it made.
func (d *Daemon) changing(change func() error) (adminapi.Applied, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return adminapi.Applied{}, fault.New(fault.Spec{Code: fault.Closed, Component: "foundation", Message: "the daemon is stopping"})
	}
	old, _, _ := d.layer.Config()
	err := change()
	now, revision, _ := d.layer.Config()
	return adminapi.Applied{APIVersion: adminapi.Version, Revision: revision, Changes: adminapi.ChangeViews(config.Diff(old, now))}, err
}

// Plan says what cfg would change and changes nothing.
func (d *Daemon) Plan(cfg *config.Config) (adminapi.Applied, error) {
	changes, err := d.layer.Plan(cfg)
	_, revision, _ := d.layer.Config()
	applied := adminapi.Applied{APIVersion: adminapi.Version, Revision: revision, DryRun: true, Changes: adminapi.ChangeViews(changes)}
	if err == nil {
		_, err = d.prepareGateway(cfg)
	}
	return applied, err
}

// PlanReload says what a reload of the file would change.
func (d *Daemon) PlanReload() (adminapi.Applied, error) {
	cfg, err := d.load()
	if err != nil {
		return adminapi.Applied{}, err
	}
	return d.Plan(cfg)
}

// prepare is the daemon's share of a change: everything that can fail of it. The
// layer calls it before it touches anything, and what it returns once the parts
// are in force.
func (d *Daemon) prepare(layer *foundation.Foundation, cfg *config.Config) (commit func(), err error) {
	old, revision, _ := layer.Config()
	if revision > 0 { // not at the start
		if err := needsRestart(config.Diff(old, cfg)); err != nil {
			return nil, err
		}
	}
	table, err := d.prepareGateway(cfg)
	if err != nil {
		return nil, err
	}
	return func() {
		if err := d.gateway.Use(table, layer.Guard); err != nil { // guards were checked with the names
			d.log.Error("the routes are not in use", slog.String("error", err.Error()))
		}
		if d.admin.Load() != nil { // not at the start
			d.guardAdmin(cfg.Admin.WithDefaults())
		}
	}, nil
}

func (d *Daemon) prepareGateway(cfg *config.Config) (*gateway.Table, error) {
	if cfg.Gateway == nil {
		return d.gateway.Prepare(config.Gateway{})
	}
	return d.gateway.Prepare(*cfg.Gateway)
}

// needsRestart refuses what cannot change while the daemon runs, by its name.
// Taking over the rest would leave a daemon that no file describes.
func needsRestart(changes []config.Change) error {
	var problems fault.Problems
	for _, c := range changes {
		if !c.Restart {
			continue
		}
		for _, f := range c.Fields {
			problems.Add(strings.TrimSuffix(c.Section+"."+f.Field, "."), f.New, "was %s at the start and cannot change while the daemon runs: restart it", cmp.Or(f.Old, "not set"))
		}
	}
	return problems.Err("foundation", "")
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
