package pgstore_test

import (
	"os"
	"testing"

	"github.com/elixirscope/foundation/internal/pgtest"
)

func TestMain(m *testing.M) {
	if dsn := os.Getenv(childDSN); dsn != "" {
		keepAppending(dsn)
		return
	}
	pgtest.Main(m)
}

func server(t *testing.T) *pgtest.Server {
	t.Helper()
	return pgtest.Running(t, "adapters/postgres/pgstore")
}
