package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// Stop drains and ends the daemon, see the package comment. It returns when
// everything has ended; requests that did not finish in time are an error. Only
// the first call does it, further ones wait for it and return the same.
func (d *Daemon) Stop(ctx context.Context) error {
	d.stopOnce.Do(func() { d.stopErr = d.stop(ctx) })
	return d.stopErr
}

// adminGrace is how long admin requests may take at the end.
const adminGrace = 2 * time.Second

func (d *Daemon) stop(ctx context.Context) error {
	if !d.serving.Load() {
		d.forbidReloads()
		return d.abandon(ctx)
	}
	d.draining.Store(true)
	d.options.Manager.Stopping(d.summary())
	d.layer.Health().Drain()
	d.gateway.Drain()
	drain := d.drainTimes()
	d.log.Info("draining", slog.Duration("delay", drain.Delay), slog.Duration("timeout", drain.Timeout))
	clock.Sleep(ctx, drain.Delay)
	d.forbidReloads()
	errs := []error{d.stopGateway(ctx, drain.Timeout)}
	for _, s := range slices.Backward(d.servers) {
		if s.name != "gateway" {
			grace, cancel := context.WithTimeout(ctx, adminGrace)
			errs = append(errs, s.shutdown(grace))
			cancel()
		}
	}
	errs = append(errs, d.layer.Close(ctx))
	for _, s := range d.servers {
		<-s.done
		errs = append(errs, s.err)
	}
	err := errors.Join(errs...)
	d.log.Info("stopped", slog.Bool("clean", err == nil))
	return err
}

// forbidReloads ends a running reload, waits for that, and refuses further ones: it
// keeps the turn.
func (d *Daemon) forbidReloads() {
	d.end()
	if d.admin != nil {
		d.admin.Close()
	}
	d.turn <- struct{}{}
}

// drainTimes are those of the configuration in force, not of the start.
func (d *Daemon) drainTimes() settings.Drain {
	g := settings.GatewayOf(d.layer.Config().Current().Config)
	if g == nil {
		g = &settings.Gateway{}
	}
	return g.WithDefaults().Drain
}

func (d *Daemon) stopGateway(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var err error
	for _, s := range d.servers {
		if s.name == "gateway" {
			err = s.shutdown(ctx)
		}
	}
	d.gateway.Close(ctx)
	return err
}

// Run runs a daemon until ctx ends, and then drains it. Each value of hangups is
// a reload. started, which may be nil, is called once everything listens.
func Run(ctx context.Context, o Options, hangups <-chan os.Signal, started func(*Daemon)) error {
	d, err := New(ctx, o)
	if err != nil {
		return err
	}
	d.Start()
	if started != nil {
		started(d)
	}
	failed := d.Failed()
	for {
		select {
		case <-hangups:
			d.reloadUnasked(ctx, "SIGHUP")
		case err := <-failed:
			return errors.Join(err, d.Stop(context.WithoutCancel(ctx)))
		case <-ctx.Done():
			return d.Stop(context.WithoutCancel(ctx))
		}
	}
}
