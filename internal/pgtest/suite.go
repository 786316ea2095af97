package pgtest

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/internal/testkit"
)

// cluster is one database cluster for all tests of a package, which run one after
// the other; making one takes seconds.
var (
	cluster = sync.OnceValues(New)
	made    atomic.Bool // whether any test has asked for it
)

// Main is the TestMain of a package that tests against the server: it removes the
// cluster at the end and looks for goroutines that are left.
func Main(m *testing.M) {
	code := m.Run()
	Remove()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = os.Stderr.WriteString(err.Error())
		code = 1
	}
	os.Exit(code) //nolint:forbidigo // a TestMain fails in no other way
}

// Remove deletes the cluster that [Running] has made, if it has; for a TestMain.
func Remove() {
	if !made.Load() {
		return
	}
	if s, err := cluster(); err == nil {
		_ = s.Remove()
	}
}

// Running returns the running server; it is stopped when the test ends. Where
// PostgreSQL is missing, suite is reported as one that could not run.
func Running(tb testing.TB, suite string) *Server {
	tb.Helper()
	made.Store(true)
	s, err := cluster()
	if errors.Is(err, ErrMissing) {
		testkit.Missing(tb, suite, err.Error())
	}
	if err != nil {
		tb.Fatal(err)
	}
	Restart(tb, s)
	tb.Cleanup(s.Stop)
	return s
}

// Restart starts a server that was stopped or killed. After a kill the old
// processes may hold the shared memory for a moment more, so it tries for a while.
func Restart(tb testing.TB, s *Server) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for err := s.Start(ctx); err != nil; err = s.Start(ctx) {
		if ctx.Err() != nil {
			tb.Fatal(err)
		}
	}
}
