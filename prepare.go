package foundation

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// transition is a change that is prepared: what it will put in force, and the
// steps of doing so, none of which can fail.
type transition struct {
	f         *Foundation
	old, next *revision
	// parts and guards are the steps, in this order: a guard must not show a part
	// before the part has its settings.
	parts, guards []func() error
	opened        []pool.Managed // by this transition, to be closed if it is abandoned
	retired       []pool.Managed // to be drained when it is committed
	guest         func()         // puts in force what Options.Prepare prepared, or nil
}

// prepare does everything of a change that can fail. On an error, also if a kind
// of worker or Options.Prepare panics or ends the goroutine, nothing has changed
// and nothing stays open. REQUIRES: f.turn.
func (f *Foundation) prepare(ctx context.Context, cfg *config.Config) (*transition, error) {
	if err := cfg.Validate(f.options.Kinds); err != nil {
		return nil, err
	}
	t := &transition{f: f, old: f.revision.Load(), next: empty(cfg)}
	done := false
	defer func() {
		if !done {
			t.abort()
		}
	}()
	for _, step := range []func(context.Context) error{t.prepareBreakers, t.prepareLimiters, t.preparePools, t.prepareGuards, t.prepareGuest} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	done = true
	return t, nil
}

// abort releases what was opened.
func (t *transition) abort() {
	for _, p := range t.opened {
		t.f.drain(p)
	}
}

// prepareGuest is the last step: nobody could tell the guest that what it has
// prepared is abandoned.
func (t *transition) prepareGuest(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return t.f.gaveUp(ctx)
	}
	if t.f.options.Prepare != nil {
		t.guest, err = t.f.options.Prepare(t.f, t.next.cfg)
	}
	return err
}

func (t *transition) prepareBreakers(context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(t.next.cfg.Breakers)) {
		if err := t.prepareBreaker(name, t.next.cfg.Breakers[name]); err != nil {
			return err
		}
	}
	return nil
}

func (t *transition) prepareBreaker(name string, b config.Breaker) (err error) {
	before, was := t.old.cfg.Breakers[name]
	keep := was && !config.Regrouped(before, b)
	switch {
	case keep && b.Grouped():
		g := t.old.groups[name]
		t.next.groups[name] = g
		t.parts = append(t.parts, func() error { return g.Reconfigure(b.Config) })
	case keep:
		one := t.old.breakers[name]
		t.next.breakers[name] = one
		t.parts = append(t.parts, func() error { return one.Reconfigure(b.Config) })
	case b.Grouped():
		t.next.groups[name], err = breaker.NewGroup(name, b.Config, b.MaxMembers, breaker.WithBus(t.f.bus))
	default:
		t.next.breakers[name], err = breaker.New(name, b.Config, breaker.WithBus(t.f.bus))
	}
	return err
}

// prepareLimiters goes through the rules with parents first, so that at no
// moment of the commit two rules are each other's ancestors.
func (t *transition) prepareLimiters(context.Context) error {
	for _, name := range parentsFirst(t.next.cfg.RateLimits) {
		r := t.next.cfg.RateLimits[name]
		limiter, was := t.old.limiters[name]
		if !was {
			var err error
			if limiter, err = ratelimit.New(name, r.Config, ratelimit.WithBus(t.f.bus)); err != nil {
				return err
			}
		}
		t.next.limiters[name] = limiter
		parent := t.next.limiters[r.Parent] // nil without one
		t.parts = append(t.parts, func() error {
			if err := limiter.Reconfigure(r.Config); err != nil || limiter.Parent() == parent {
				return err
			}
			return limiter.SetParent(parent)
		})
	}
	return nil
}

func parentsFirst(rules map[string]config.RateLimit) []string {
	var order []string
	placed := make(map[string]bool)
	var place func(name string)
	place = func(name string) { // ends: validation has refused circles
		if name == "" || placed[name] {
			return
		}
		place(rules[name].Parent)
		placed[name] = true
		order = append(order, name)
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		place(name)
	}
	return order
}

func (t *transition) preparePools(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(t.next.cfg.Pools)) {
		p := t.next.cfg.Pools[name]
		before, was := t.old.cfg.Pools[name]
		if was && !config.Reopened(before, p) {
			kept := t.old.pools[name]
			t.next.pools[name] = kept
			t.parts = append(t.parts, func() error { return kept.Reconfigure(p.Config) })
			continue
		}
		if ctx.Err() != nil {
			return t.f.gaveUp(ctx)
		}
		opened, err := t.f.openPool(ctx, name, p)
		if err != nil {
			return err
		}
		t.opened = append(t.opened, opened)
		t.next.pools[name] = opened
	}
	for name, p := range t.old.pools {
		if t.next.pools[name] != p {
			t.retired = append(t.retired, p)
		}
	}
	return nil
}

func (t *transition) prepareGuards(context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(t.next.cfg.Guards)) {
		cfg := t.guardConfig(t.next.cfg.Guards[name])
		if err := cfg.Validate(); err != nil {
			return err
		}
		g, known := t.f.handles[name]
		if !known {
			var err error
			if g, err = guard.New(name, cfg, guard.WithBus(t.f.bus), guard.WithLogger(t.f.log)); err != nil {
				return err
			}
		}
		t.next.guards[name] = g
		if known && !t.sameGuard(name) {
			t.guards = append(t.guards, func() error { return g.Reconfigure(cfg) })
		}
	}
	return nil
}

// sameGuard reports whether a guard has the settings and the parts that it had:
// then it is left alone, and its revision stays.
func (t *transition) sameGuard(name string) bool {
	before, was := t.old.cfg.Guards[name]
	g := t.next.cfg.Guards[name]
	return was && before == g &&
		t.old.breakers[g.Breaker] == t.next.breakers[g.Breaker] && t.old.groups[g.Breaker] == t.next.groups[g.Breaker] &&
		t.old.limiters[g.RateLimit] == t.next.limiters[g.RateLimit] && t.old.pools[g.Pool] == t.next.pools[g.Pool]
}

// guardConfig turns the names of a guard's parts into the parts.
func (t *transition) guardConfig(g config.Guard) guard.Config {
	cfg := g.Settings()
	cfg.Breaker, cfg.Breakers = t.next.breakers[g.Breaker], t.next.groups[g.Breaker]
	cfg.RateLimit = t.next.limiters[g.RateLimit]
	if p, ok := t.next.pools[g.Pool]; ok {
		cfg.Pool = p
	}
	return cfg
}

// commit puts the prepared revision in force. It cannot fail: whatever a part
// could object to was checked. Should one object nevertheless, that is a defect,
// which is logged, and the part keeps its old settings. REQUIRES: f.turn.
func (t *transition) commit(source string) *revision {
	f := t.f
	for _, step := range slices.Concat(t.parts, t.guards) {
		if err := step(); err != nil {
			f.log.Error("a part refused settings that were checked", slog.Any("error", err))
		}
	}
	t.next.number, t.next.at, t.next.source = t.old.number+1, time.Now(), source
	maps.Copy(f.handles, t.next.guards)
	f.revision.Store(t.next)
	defer t.retire() // also if the guest panics
	if t.guest != nil {
		t.guest()
	}
	return t.next
}

// retire lets go of what is in force no more, after the guest has.
func (t *transition) retire() {
	for name, g := range t.old.guards {
		if _, stays := t.next.guards[name]; !stays {
			g.Remove()
		}
	}
	for _, p := range t.retired {
		t.f.drain(p)
	}
}

// drain closes a pool in the background: its borrowers may take their time.
func (f *Foundation) drain(p pool.Managed) {
	f.drains.Go(func() { f.closePool(p) })
}

func (f *Foundation) closePool(p pool.Managed) {
	if err := p.Close(f.hurry); err != nil {
		f.log.Warn("a pool was closed before all of its workers came back", slog.String("pool", p.Name()), slog.Any("error", err))
	}
}
