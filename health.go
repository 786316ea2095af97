package foundation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/supervise"
)

const healthSection = "health"

// vital is a section whose parts have something to say of how they are. Names are those of
// the section and the part, as in "breakers/payments". A part in trouble emits [health.Fail];
// that this is a warning, unless the configuration lets the part decide, is not its concern.
type vital interface {
	health(a *assembly, emit func(health.Component))
}

// checks is the section "health": the checks that the configuration names. What the parts
// say of themselves is in the report also where the section is off.
type checks struct {
	*monitor[config.Health, *checking]

	f *Foundation
}

// checking is the aggregator as the service of its section. Its settings are put in force by
// the section, which has to know the old ones.
type checking struct{ *health.Aggregator }

// Reconfigure implements watcher.
func (*checking) Reconfigure(config.Health) error { return nil }

func (f *Foundation) checks() *checks {
	service := &checking{f.health}
	return &checks{f: f, monitor: &monitor[config.Health, *checking]{
		f: f, name: healthSection,
		settings: func(c *config.Config) (s config.Health, written, off bool) {
			if c.Health == nil {
				return s, false, false
			}
			return *c.Health, true, c.Health.Off
		},
		open: func(config.Health) (*checking, error) { return service, nil },
		show: func(*Status, *checking) {},
	}}
}

// prepare replaces the checks of the old configuration by those of the next. One whose
// target stays keeps what is known of it.
func (k *checks) prepare(ctx context.Context, t *transition) error {
	before, next := checksOf(t.old.Config), checksOf(t.next.Config)
	all := make([]health.Check, 0, len(next))
	for _, name := range slices.Sorted(maps.Keys(next)) {
		c := health.Check{Name: name, Config: next[name].Config}
		kind, target := next[name].What()
		oldKind, oldTarget := before[name].What()
		if _, is := k.f.health.Report().Find(name); !is || kind != oldKind || target != oldTarget {
			run, err := k.f.runOf(kind, target)
			if err != nil {
				return err
			}
			c.Run = run
		}
		all = append(all, c)
	}
	commit, err := k.f.health.Prepare(slices.Collect(maps.Keys(before)), all)
	if err != nil {
		return err
	}
	t.steps = append(t.steps, func() error { commit(); return nil })
	return k.monitor.prepare(ctx, t)
}

func checksOf(c *config.Config) map[string]config.HealthCheck {
	if c.Health == nil {
		return nil
	}
	return c.Health.Checks
}

// runOf makes the function of a check.
func (f *Foundation) runOf(kind, target string) (func(context.Context) error, error) {
	if kind == config.KindSQL {
		return f.aliveIn(target), nil
	}
	made, ok := f.options.Checks[kind]
	if !ok || made == nil {
		return nil, fault.New(fault.Spec{Code: fault.InvalidConfig, Component: healthSection, Name: kind, Message: "there is no kind of check with this name in Options.Checks"})
	}
	return made(target)
}

// aliveIn borrows a connection of a pool and asks whether it is alive. That all are borrowed
// says nothing of the database.
func (f *Foundation) aliveIn(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		p, err := f.Pool(name)
		if err != nil {
			return err
		}
		loan, err := p.Checkout(ctx, pool.CheckoutOptions{})
		switch {
		case errors.Is(err, fault.PoolFull), errors.Is(err, fault.PoolTimeout):
			return health.Warning(errors.New("no connection of the pool was free in time: it was not asked"))
		case err != nil:
			return fmt.Errorf("no connection: %w", toldOfWorker(err))
		}
		fate := pool.Suspect
		defer func() { p.Return(loan, fate) }()
		if err := ping(ctx, loan.Item.Worker); err != nil {
			return err
		}
		fate = pool.Reuse
		return nil
	}
}

// toldOfWorker leaves out why a worker cannot be made: that may quote a connection string,
// and is in the log.
func toldOfWorker(err error) error {
	if errors.Is(err, fault.WorkerFailed) {
		return errors.New("the pool cannot make one; the log says why")
	}
	return err
}

func ping(ctx context.Context, worker any) error {
	switch w := worker.(type) {
	case interface{ PingContext(context.Context) error }:
		return w.PingContext(ctx)
	case interface{ Ping(context.Context) error }:
		return w.Ping(ctx)
	}
	return fmt.Errorf("the workers of this pool are %T, which cannot be asked whether they are alive", worker)
}

// Health returns what tells how the layer is. It is always there: the checks run while the
// section "health" is on, and what the parts say of themselves is in each report. Checks that
// a program adds to it run with those of the configuration.
func (f *Foundation) Health() *health.Aggregator { return f.health }

// components yields what the parts say, under the settings in force.
func (f *Foundation) components(yield func(health.Component)) {
	a := f.assembly.Load()
	var decide map[string]config.HealthPart
	if h := a.Config.Health; h != nil {
		decide = h.Parts
	}
	emit := func(c health.Component) { yield(decided(c, decide)) }
	for _, s := range f.table {
		if v, ok := s.(vital); ok {
			v.health(a, emit)
		}
	}
	f.own.health(emit)
	for _, s := range f.options.Sections {
		if s.Health != nil {
			s.Health(emit)
		}
	}
	for _, s := range f.services.Status() {
		emit(serviceHealth(s))
	}
	if f.opened.Load() {
		configHealth(f.config.Status(), emit)
	}
}

// decided gives a component the say that the configuration gives it. Trouble of a part that
// was given none is a warning: what the layer does about it is what it is there for.
func decided(c health.Component, decide map[string]config.HealthPart) health.Component {
	section, _, _ := strings.Cut(c.Name, "/")
	c.Groups = append(slices.Clip(c.Groups), section)
	p, given := decide[c.Name]
	if given {
		c.Criticality, c.Readiness, c.Liveness = p.Criticality, p.Readiness, p.Liveness
		c.Groups = append(c.Groups, p.Groups...)
	}
	if c.Status == health.Fail && !(given && (p.Criticality == health.Hard || p.Readiness || p.Liveness)) {
		c.Status = health.Warn
	}
	return c
}

func serviceHealth(s supervise.Status) health.Component {
	c := health.Component{Name: "services/" + s.Name, Status: health.Pass, Since: s.Since, See: "get services " + s.Name}
	switch s.State {
	case supervise.Failed:
		c.Status, c.Output = health.Fail, "it has failed and is not started again by itself"
	case supervise.BackingOff:
		c.Status, c.Output = health.Fail, "it has failed"+times(s.Failures, " in a row")+" and is started again"
	case supervise.Starting:
		if s.Failures > 0 {
			c.Status, c.Output = health.Warn, "it starts after it has failed"+times(s.Failures, "")
		}
	default: // it runs, or has done its work
	}
	if c.Status != health.Pass && s.Err != nil {
		c.Output += ": " + s.Err.Error()
	}
	return c
}

// times says how often something has happened, where that is more than once.
func times(n uint64, more string) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" %d times%s", n, more)
}

func configHealth(s config.ServerStatus, emit func(health.Component)) {
	reload := health.Component{Name: "config/reload", Status: health.Pass, Since: s.LastReload, See: "config status"}
	if s.LastReloadError != nil {
		reload.Status, reload.Output = health.Fail, "the last reload was refused: the revision before it stays in force"
	}
	emit(reload)
	drift := health.Component{Name: "config/drift", Status: health.Pass, Criticality: health.Optional, See: "config diff"}
	if s.Drifted {
		drift.Status, drift.Output = health.Warn, "what is in force is not what the file says"
	}
	emit(drift)
	history := health.Component{Name: "config/history", Status: health.Pass, See: "config history", Output: s.Attention}
	if s.Attention != "" || s.Pending > 0 {
		history.Status = health.Fail
	}
	if s.Pending > 0 && s.Attention == "" {
		history.Output = fmt.Sprintf("revision %d was made through the API before and is not in force", s.Pending)
	}
	emit(history)
}

// health implements vital.
func (k *parts[S, P]) health(a *assembly, emit func(health.Component)) {
	if k.vital == nil {
		return
	}
	for _, p := range k.all(a) {
		c := k.vital(p)
		c.Name = k.name + "/" + c.Name
		emit(c)
	}
}

// health implements vital.
func (r *records) health(_ *assembly, emit func(health.Component)) {
	if r.recorder == nil {
		return
	}
	s := r.recorder.Status()
	c := health.Component{Name: "storage/" + r.kind, Status: health.Pass, See: "status"}
	since, err := r.storage.away()
	if err == nil {
		err, since = s.Err, s.Since
	}
	if err != nil {
		c.Status, c.Since = health.Fail, since
		c.Output = fmt.Sprintf("it is away: %v; %d events wait for it, %d were dropped", err, s.Waiting, s.Dropped)
	}
	emit(c)
}
