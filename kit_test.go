package foundation_test

import (
	"context"
	"testing"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
)

// edit changes the configuration of f as whoever embeds the layer does.
func edit(ctx context.Context, f *foundation.Foundation, change func(*config.Config)) error {
	_, err := f.Config().Edit(ctx, func(c *config.Config) error { change(c); return nil }, config.By{})
	return err
}

func addBreaker(ctx context.Context, f *foundation.Foundation, name string, b config.Breaker) error {
	return edit(ctx, f, func(c *config.Config) { c.Breakers[name] = b })
}

func addGuard(ctx context.Context, f *foundation.Foundation, name string, g config.Guard) error {
	return edit(ctx, f, func(c *config.Config) { c.Guards[name] = g })
}

func removeBreaker(ctx context.Context, f *foundation.Foundation, name string) error {
	return edit(ctx, f, func(c *config.Config) { delete(c.Breakers, name) })
}

func reload(t *testing.T, f *foundation.Foundation) error {
	_, err := f.Config().Reload(t.Context(), config.By{})
	return err
}

func lastReload(f *foundation.Foundation) (time.Time, error) {
	s := f.Config().Status()
	return s.LastReload, s.LastReloadError
}

// partNames are the names of all parts, as the status lists them.
type partNames struct{ guards, breakers, groups, limits, pools []string }

func names(f *foundation.Foundation) (n partNames) {
	s := f.Status()
	for _, p := range s.Guards {
		n.guards = append(n.guards, p.Name)
	}
	for _, p := range s.Breakers {
		n.breakers = append(n.breakers, p.Name)
	}
	for _, p := range s.BreakerGroups {
		n.groups = append(n.groups, p.Name)
	}
	for _, p := range s.RateLimits {
		n.limits = append(n.limits, p.Name)
	}
	for _, p := range s.Pools {
		n.pools = append(n.pools, p.Name)
	}
	return n
}
