package foundation

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// AddBreaker adds a breaker, or a group of them, to the configuration in force.
// A taken name is refused with already_exists.
func (f *Foundation) AddBreaker(ctx context.Context, name string, b config.Breaker) error {
	return add(ctx, f, "circuit_breaker", name, b, breakersOf)
}

// AddRateLimit adds a rule of rate limiting; see [Foundation.AddBreaker].
func (f *Foundation) AddRateLimit(ctx context.Context, name string, r config.RateLimit) error {
	return add(ctx, f, "rate_limiter", name, r, rateLimitsOf)
}

// AddPool opens a pool and adds it; see [Foundation.AddBreaker].
func (f *Foundation) AddPool(ctx context.Context, name string, p config.Pool) error {
	return add(ctx, f, "connection_pool", name, p, poolsOf)
}

// AddGuard adds a guard over parts that exist; see [Foundation.AddBreaker].
func (f *Foundation) AddGuard(ctx context.Context, name string, g config.Guard) error {
	return add(ctx, f, "guard", name, g, guardsOf)
}

// RemoveBreaker removes a breaker or a group. A name that does not exist is
// refused with not_found, one that a guard refers to with conflict.
func (f *Foundation) RemoveBreaker(ctx context.Context, name string) error {
	return remove(ctx, f, "circuit_breaker", name, breakersOf)
}

// RemoveRateLimit removes a rule; it is refused with conflict while a guard or a
// child refers to it.
func (f *Foundation) RemoveRateLimit(ctx context.Context, name string) error {
	return remove(ctx, f, "rate_limiter", name, rateLimitsOf)
}

// RemovePool removes a pool and drains it in the background; it is refused with
// conflict while a guard refers to it.
func (f *Foundation) RemovePool(ctx context.Context, name string) error {
	return remove(ctx, f, "connection_pool", name, poolsOf)
}

// RemoveGuard removes a guard, whose handles then answer not_found; it is
// refused with conflict while a route refers to it.
func (f *Foundation) RemoveGuard(ctx context.Context, name string) error {
	return remove(ctx, f, "guard", name, guardsOf)
}

func breakersOf(c *config.Config) *map[string]config.Breaker     { return &c.Breakers }
func rateLimitsOf(c *config.Config) *map[string]config.RateLimit { return &c.RateLimits }
func poolsOf(c *config.Config) *map[string]config.Pool           { return &c.Pools }
func guardsOf(c *config.Config) *map[string]config.Guard         { return &c.Guards }

// add applies the configuration in force with one part more.
func add[T any](ctx context.Context, f *Foundation, component, name string, part T, section func(*config.Config) *map[string]T) error {
	_, err := f.edit(ctx, sourceInCode, func(now *config.Config) (*config.Config, error) {
		next := now.Clone()
		parts := section(next)
		if _, taken := (*parts)[name]; taken {
			return nil, fault.New(fault.Spec{Code: fault.AlreadyExists, Component: component, Name: name, Message: "the name is taken"})
		}
		if *parts == nil {
			*parts = make(map[string]T)
		}
		(*parts)[name] = part
		return next, nil
	})
	return err
}

// remove applies the configuration in force with one part less.
func remove[T any](ctx context.Context, f *Foundation, component, name string, section func(*config.Config) *map[string]T) error {
	_, err := f.edit(ctx, sourceInCode, func(now *config.Config) (*config.Config, error) {
		next := now.Clone()
		parts := *section(next)
		if _, there := parts[name]; !there {
			return nil, notFound(component, name, slices.Collect(maps.Keys(parts)))
		}
		if users := now.Users(component, name); len(users) > 0 {
			return nil, fault.New(fault.Spec{
				Code: fault.Conflict, Component: component, Name: name,
				Message: strings.Join(users, ", ") + " refers to it; change that first",
			})
		}
		delete(parts, name)
		return next, nil
	})
	return err
}
