package postgres_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/adapters/internal/pgtest"
	"github.com/elixirscope/foundation/internal/testkit"
)

// cluster is one database cluster for all tests of the package, which run one
// after the other; making one takes seconds.
var cluster = sync.OnceValues(pgtest.New)

func TestMain(m *testing.M) {
	code := m.Run()
	if s, err := cluster(); err == nil {
		_ = s.Remove()
	}
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code)
}

// server returns the running server; it is stopped when the test ends.
func server(t *testing.T) *pgtest.Server {
	t.Helper()
	s, err := cluster()
	if errors.Is(err, pgtest.ErrMissing) {
		testkit.Missing(t, "adapters/postgres", err.Error())
	}
	if err != nil {
		t.Fatal(err)
	}
	start(t, s)
	t.Cleanup(s.Stop)
	return s
}

func start(t testing.TB, s *pgtest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
}
