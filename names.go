package foundation

import (
	"maps"
	"slices"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// find returns a part by its name, or a not_found that says what may be meant.
func find[T any](component, name string, parts map[string]T) (T, error) {
	part, ok := parts[name]
	if ok {
		return part, nil
	}
	return part, notFound(component, name, slices.Collect(maps.Keys(parts)))
}

func notFound(component, name string, known []string) error {
	return fault.New(fault.Spec{
		Code: fault.NotFound, Component: component, Name: name,
		Message: "there is none with this name" + config.Suggest(name, known),
	})
}

func names[T any](parts map[string]T) []string { return slices.Sorted(maps.Keys(parts)) }

// Guard returns the guard of a name. The handle follows its name for ever: it
// serves the newest settings, answers not_found after the guard was removed, and
// works again if the name comes back.
func (f *Foundation) Guard(name string) (*guard.Guard, error) {
	return find("guard", name, f.revision.Load().guards)
}

// Breaker returns the breaker of a name. It keeps its state through all changes
// of its settings. A breaker that was removed no longer protects anything, and
// one that is added again under its name is another: ask again then.
func (f *Foundation) Breaker(name string) (*breaker.Breaker, error) {
	r := f.revision.Load()
	if _, grouped := r.groups[name]; grouped {
		return nil, fault.New(fault.Spec{
			Code: fault.NotFound, Component: "circuit_breaker", Name: name, Message: "this name is a group of breakers; ask for BreakerGroup",
		})
	}
	return find("circuit_breaker", name, r.breakers)
}

// BreakerGroup returns the group of breakers of a name; see [Foundation.Breaker].
func (f *Foundation) BreakerGroup(name string) (*breaker.Group, error) {
	return find("circuit_breaker", name, f.revision.Load().groups)
}

// RateLimit returns the limiter of a name. What is said of [Foundation.Breaker]
// holds for it, too.
func (f *Foundation) RateLimit(name string) (*ratelimit.Limiter, error) {
	return find("rate_limiter", name, f.revision.Load().limiters)
}

// Pool returns the pool of a name, whatever its workers are. A pool is another
// one after its kind of worker or its options changed, and the old one refuses
// with closed: ask again then, or use [PoolOf], whose handle follows the name.
func (f *Foundation) Pool(name string) (pool.Managed, error) {
	return find("connection_pool", name, f.revision.Load().pools)
}

// GuardNames lists the guards in order.
func (f *Foundation) GuardNames() []string { return names(f.revision.Load().guards) }

// BreakerNames lists the breakers that are no groups, in order.
func (f *Foundation) BreakerNames() []string { return names(f.revision.Load().breakers) }

// BreakerGroupNames lists the groups of breakers in order.
func (f *Foundation) BreakerGroupNames() []string { return names(f.revision.Load().groups) }

// RateLimitNames lists the rules of rate limiting in order.
func (f *Foundation) RateLimitNames() []string { return names(f.revision.Load().limiters) }

// PoolNames lists the pools in order.
func (f *Foundation) PoolNames() []string { return names(f.revision.Load().pools) }
