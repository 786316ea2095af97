package cli

import (
	"github.com/elixirscope/foundation/adapters/postgres"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/httpworker"
	"github.com/elixirscope/foundation/pool/sqlworker"
)

// workerKinds are the kinds of worker that configuration files may name. The sql
// kind finds the database drivers that are linked in: here, that of PostgreSQL.
func workerKinds() map[string]pool.Kind {
	return map[string]pool.Kind{"http": httpworker.Kind(), "sql": sqlworker.Kind(), "postgres": postgres.Kind()}
}

// registry is all that configuration files of the daemon may name.
func registry() config.Registry {
	return config.Registry{Kinds: workerKinds(), Checks: settings.Checks(), Sections: settings.Sections()}
}
