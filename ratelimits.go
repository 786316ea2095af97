package foundation

import (
	"context"
	"maps"
	"slices"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/ratelimit"
)

const rateLimitSection = "rate_limits"

func (f *Foundation) rateLimits() section {
	return &parts[config.RateLimit, *ratelimit.Limiter]{
		name:     rateLimitSection,
		settings: func(c *config.Config) map[string]config.RateLimit { return c.RateLimits },
		order:    parentsFirst,
		open: func(_ context.Context, t *transition, name string, r config.RateLimit) (*ratelimit.Limiter, error) {
			l, err := ratelimit.New(name, r.Config, ratelimit.WithBus(f.bus))
			if err == nil {
				changeLimiter(t, l, name, r)
			}
			return l, err
		},
		change: changeLimiter,
		trim:   (*ratelimit.Limiter).Trim,
		show: func(s *Status, all []*ratelimit.Limiter) {
			s.RateLimits = statuses(all, (*ratelimit.Limiter).Status)
		},
	}
}

// changeLimiter gives a limiter its settings, its overrides, its parent, which is prepared before it, and
// what it is counted by.
func changeLimiter(t *transition, l *ratelimit.Limiter, name string, r config.RateLimit) {
	parent := partsOf[*ratelimit.Limiter](t.next, rateLimitSection)[r.Parent] // nil without one
	t.steps = append(t.steps, func() error {
		if err := l.ReconfigureWith(r.Config, r.Overrides); err != nil {
			return err
		}
		l.SetRemote(remoteOf(t.next, name, r))
		return l.SetParent(parent)
	})
}

// parentsFirst orders rules so that at no moment of a commit two of them are each
// other's ancestors.
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

// RateLimit returns the limiter of a name. What is said of [Foundation.Breaker]
// holds for it, too.
func (f *Foundation) RateLimit(name string) (*ratelimit.Limiter, error) {
	return find[*ratelimit.Limiter](f.assembly.Load(), rateLimitSection, "rate_limiter", name)
}
