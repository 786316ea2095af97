package foundation

import (
	"context"
	"maps"
	"reflect"
	"weak"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

const guardSection = "guards"

func (f *Foundation) guards() section {
	var known handles // belongs to whoever prepares a change
	change := func(t *transition, g *guard.Guard, name string, c config.Guard) {
		if !sameGuard(t, name) {
			t.steps = append(t.steps, func() error { return g.Reconfigure(guardConfig(t.next, c)) })
		}
	}
	return &parts[config.Guard, *guard.Guard]{
		name:     guardSection,
		settings: func(c *config.Config) map[string]config.Guard { return c.Guards },
		open: func(_ context.Context, t *transition, name string, c config.Guard) (*guard.Guard, error) {
			if g := known.find(name); g != nil {
				change(t, g, name, c)
				return g, nil
			}
			g, err := guard.New(name, guardConfig(t.next, c), guard.WithBus(f.bus), guard.WithLogger(f.log))
			if err == nil {
				t.steps = append(t.steps, func() error { known.add(name, g); return nil })
			}
			return g, err
		},
		change: change,
		retire: func(_ string, g *guard.Guard) { g.Remove() },
		end:    func(_ context.Context, g *guard.Guard) error { g.Close(); return nil },
		show: func(s *Status, all []*guard.Guard) {
			s.Guards = statuses(all, (*guard.Guard).Status)
		},
	}
}

// handles finds the guards that there ever were by their names: a guard follows its
// name for ever. One that was removed is found as long as anybody holds it. Nobody
// else could tell it from a new one, and each costs kilobytes.
type handles struct {
	guards map[string]weak.Pointer[guard.Guard]
	bound  int // of the number of guards, above which those that are gone are looked for
}

// find returns the guard of a name, or nil.
func (h *handles) find(name string) *guard.Guard { return h.guards[name].Value() }

func (h *handles) add(name string, g *guard.Guard) {
	if len(h.guards) >= h.bound {
		maps.DeleteFunc(h.guards, func(_ string, g weak.Pointer[guard.Guard]) bool { return g.Value() == nil })
		h.bound = 2*len(h.guards) + 16
	}
	if h.guards == nil {
		h.guards = make(map[string]weak.Pointer[guard.Guard])
	}
	h.guards[name] = weak.Make(g)
}

// sameGuard reports whether a guard has the settings and the parts that it had:
// then it is left alone, and its revision stays.
func sameGuard(t *transition, name string) bool {
	before, was := t.old.Config.Guards[name]
	old, next := guardConfig(t.old, before), guardConfig(t.next, before)
	return was && reflect.DeepEqual(before, t.next.Config.Guards[name]) && //nolint:govet // what could hold an error is nil in a configuration in force
		old.Breaker == next.Breaker && old.Breakers == next.Breakers && old.RateLimit == next.RateLimit && old.Pool == next.Pool && old.Admission == next.Admission && reflect.DeepEqual(old.Retry, next.Retry)
}

// guardConfig turns the names of a guard's parts into the parts.
func guardConfig(a *assembly, g config.Guard) guard.Config {
	cfg := g.Config
	switch c := partsOf[circuit](a, breakerSection)[g.Breaker].(type) {
	case *breaker.Breaker:
		cfg.Breaker = c
	case *breaker.Group:
		cfg.Breakers, cfg.PerTarget = c, a.Config.Breakers[g.Breaker].Per == "target"
	}
	cfg.Admission = admitter(a)
	cfg.RateLimit = partsOf[*ratelimit.Limiter](a, rateLimitSection)[g.RateLimit]
	if policy, ok := a.Config.Retries[g.Retry]; ok {
		cfg.Retry = &policy
	}
	if p, ok := partsOf[pool.Managed](a, poolSection)[g.Pool]; ok {
		cfg.Pool = p
	}
	return cfg
}

// Guard returns the guard of a name. The handle follows its name for ever: it
// serves the newest settings, answers not_found after the guard was removed, and
// works again if the name comes back. The guards of the layer's own services are found by
// their reserved names, as "foundation.events". What nobody holds is forgotten when it is
// removed: the guard of that name is then a new one, with counters at zero.
func (f *Foundation) Guard(name string) (*guard.Guard, error) {
	if g, ok := f.own.guards[name]; ok {
		return g, nil
	}
	return find[*guard.Guard](f.assembly.Load(), guardSection, "guard", name)
}
