package foundation

import (
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// revision is everything that is in force at one moment. It is immutable once
// it is published.
type revision struct {
	number   uint64
	cfg      *config.Config
	at       time.Time
	source   string
	breakers map[string]*breaker.Breaker
	groups   map[string]*breaker.Group
	limiters map[string]*ratelimit.Limiter
	pools    map[string]pool.Managed
	guards   map[string]*guard.Guard
}

// empty returns a revision with room for the parts of cfg.
func empty(cfg *config.Config) *revision {
	return &revision{
		cfg:      cfg,
		breakers: make(map[string]*breaker.Breaker, len(cfg.Breakers)),
		groups:   make(map[string]*breaker.Group),
		limiters: make(map[string]*ratelimit.Limiter, len(cfg.RateLimits)),
		pools:    make(map[string]pool.Managed, len(cfg.Pools)),
		guards:   make(map[string]*guard.Guard, len(cfg.Guards)),
	}
}
