package config

import (
	"fmt"
	"maps"
	"slices"
)

// Users lists what refers to a part, as in `guard "checkout"`. The kind is the
// component of the part's faults: circuit_breaker, rate_limiter,
// connection_pool or guard.
func (c *Config) Users(kind, name string) []string {
	var users []string
	for _, by := range slices.Sorted(maps.Keys(c.Guards)) {
		g := c.Guards[by]
		refers := map[string]string{"circuit_breaker": g.Breaker, "rate_limiter": g.RateLimit, "connection_pool": g.Pool}
		if refers[kind] == name && name != "" {
			users = append(users, fmt.Sprintf("guard %q", by))
		}
	}
	for _, by := range slices.Sorted(maps.Keys(c.RateLimits)) {
		if kind == "rate_limiter" && c.RateLimits[by].Parent == name {
			users = append(users, fmt.Sprintf("rate limit %q", by))
		}
	}
	if c.Gateway == nil || kind != "guard" {
		return users
	}
	for _, r := range c.Gateway.Routes {
		if r.Guard == name {
			users = append(users, fmt.Sprintf("route %q", r.Match))
		}
	}
	return users
}
