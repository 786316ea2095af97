package daemon

import (
	"context"
	"crypto/tls"
	"log/slog"
	"reflect"

	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/health"
)

// Reload reads the configuration file again and takes it over, or returns what
// is wrong with it and changes nothing. It reports what changed.
func (d *Daemon) Reload(ctx context.Context, by config.By) (config.Applied, error) {
	return d.changing(ctx, func(ctx context.Context) (_ config.Applied, err error) {
		d.options.Manager.Reloading()
		defer func() { d.options.Manager.Ready(d.afterReload(err)) }()
		d.watch.accept(ctx) // what is read now, good or bad, has been tried
		renew, err := d.readCertificates(ctx)
		if err != nil {
			d.unreadable.Store(&err)
			return config.Applied{Revision: d.layer.Config().Current().Number}, err
		}
		d.unreadable.Store(nil)
		applied, err := d.reloadRoutes(ctx, by)
		if err == nil {
			renew()
		}
		return applied, err
	})
}

// reloadRoutes reloads the layer and with it the routes. A file that says what it
// said before is no change to the layer; the certificates that it names for
// upstreams may be others all the same.
func (d *Daemon) reloadRoutes(ctx context.Context, by config.By) (config.Applied, error) {
	before := d.layer.Config().Current().Number
	applied, err := d.layer.Config().Reload(ctx, by)
	if err != nil || applied.Revision != before { // prepareGateway has seen to them
		return applied, err
	}
	table, err := d.table(ctx, d.layer.Config().Current().Config)
	if err != nil {
		d.unreadable.Store(&err)
		return applied, err
	}
	if err := d.gateway.Use(table, d.layer.Guard); err != nil {
		return applied, err
	}
	d.followRoutes()
	return applied, nil
}

// readCertificates reads the certificates of all listeners and returns how to
// put them in force.
func (d *Daemon) readCertificates(ctx context.Context) (renew func(), err error) {
	next := map[*certificates]*tls.Config{}
	for _, s := range d.servers {
		if s.certs == nil {
			continue
		}
		if next[s.certs], err = s.certs.read(ctx); err != nil {
			return nil, err
		}
	}
	return func() {
		for certs, config := range next {
			certs.current.Store(config)
		}
	}, nil
}

// changing runs one change, which the stop ends, and reports the difference that it
// made.
func (d *Daemon) changing(caller context.Context, change func(context.Context) (config.Applied, error)) (config.Applied, error) {
	ctx, cancel := context.WithCancelCause(caller)
	defer cancel(nil)
	forget := context.AfterFunc(d.life, func() { cancel(errStopping()) })
	defer forget()
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
	}
	switch {
	case d.life.Err() != nil:
		return config.Applied{}, errStopping()
	case ctx.Err() != nil:
		return config.Applied{}, fault.New(fault.Spec{Code: fault.Canceled, Component: "foundation", Message: "the caller gave up before anything was changed", Cause: context.Cause(ctx)})
	}
	return change(ctx)
}

func errStopping() error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: "foundation", Message: "the daemon is stopping"})
}

// check finds what only the gateway knows of a configuration: what is wrong with the
// certificates that its routes name.
func (d *Daemon) check(ctx context.Context, cfg *config.Config) error {
	_, err := d.table(ctx, cfg)
	return err
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
			all[i].Health = d.gatewayHealth
		}
	}
	return all
}

// gatewayHealth is what the gateway says of itself.
func (d *Daemon) gatewayHealth(emit func(health.Component)) {
	c := health.Component{Name: "gateway/connections", Status: health.Pass, See: "status"}
	if lack := d.gateway.Exhausted(); lack != "" {
		c.Status, c.Output = health.Fail, "this machine cannot connect to upstreams: "+lack
	}
	emit(c)
	d.gateway.Health(emit)
}

type guardLookup = func(name string) (*guard.Guard, error)

func (d *Daemon) prepareAdmin(_ context.Context, old, next *config.Config, _ guardLookup) (config.Transition, error) {
	return config.Transition{Commit: func(config.Revision) {
		if d.admin == nil { // at the start
			return
		}
		if was, is := settings.AdminOf(old), settings.AdminOf(next); !reflect.DeepEqual(was, is) {
			d.admin.Use(accessOf(is))
		}
	}}, nil
}

func (d *Daemon) prepareGateway(ctx context.Context, _, next *config.Config, guards guardLookup) (config.Transition, error) {
	table, err := d.table(ctx, next)
	return config.Transition{Commit: func(config.Revision) {
		if err := d.gateway.Use(table, guards); err != nil { // guards were checked with the names
			d.log.Error("the routes are not in use", slog.String("error", err.Error()))
		}
		if d.layer != nil { // not at the start
			d.followRoutes()
		}
	}}, err
}

// table makes the routes of cfg.
func (d *Daemon) table(ctx context.Context, cfg *config.Config) (*gateway.Table, error) {
	g := settings.GatewayOf(cfg)
	if g == nil {
		g = &settings.Gateway{}
	}
	return d.gateway.Prepare(ctx, *g)
}

// actor is who changes the configuration where nobody asked for it: the daemon itself, by
// a signal or because a file has changed.
const actor = "daemon"

// reloadUnasked is a reload that nobody waits for. The server of the configuration logs how
// it ends; what it does not get to see is logged here.
func (d *Daemon) reloadUnasked(ctx context.Context, why string) {
	_, err := d.Reload(ctx, config.By{Actor: actor, Reason: why})
	switch {
	case ctx.Err() != nil: // the end of the daemon ended it
		return
	case err == nil:
		d.refused.Store(nil)
		return
	}
	if logged := d.layer.Config().Status().LastReloadError; logged == err { //nolint:errorlint // the very same
		return
	}
	text := err.Error()
	if before := d.refused.Swap(&text); before != nil && *before == text {
		return
	}
	d.log.Error("configuration refused, the old one stays in force", slog.String("actor", actor), slog.String("reason", why), slog.String("error", text))
}
