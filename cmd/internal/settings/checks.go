package settings

import (
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/health/healthhttp"
)

// Checks returns the kinds of check that the daemon knows.
func Checks() map[string]health.Kind {
	return map[string]health.Kind{config.KindTCP: health.TCP, config.KindHTTP: healthhttp.Kind}
}
