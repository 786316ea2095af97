package postgres_test

import (
	"testing"

	"github.com/elixirscope/foundation/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func server(t *testing.T) *pgtest.Server {
	t.Helper()
	return pgtest.Running(t, "adapters/postgres")
}
