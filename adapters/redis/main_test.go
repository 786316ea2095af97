package redis_test

import (
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

const suite = "adapters/redis"

func TestMain(m *testing.M) {
	if os.Getenv(asTaker) != "" {
		os.Exit(takeAsProcess())
	}
	goleak.VerifyTestMain(m)
}

// open returns a store at an address, closed when the test ends.
func open(t *testing.T, address, namespace string) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(address, redisstore.Options{Namespace: namespace, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var namespaces atomic.Int64

// fresh returns a store whose namespace no other test uses.
func fresh(t *testing.T, address string) *redisstore.Store {
	t.Helper()
	return open(t, address, "t"+strconv.FormatInt(namespaces.Add(1), 10))
}

// timed returns such a store and its clock, whose tick is a nanosecond unless told otherwise.
func timed(t *testing.T, address string, tick time.Duration) (*redisstore.Store, *atomic.Int64) {
	t.Helper()
	s, now := fresh(t, address), new(atomic.Int64)
	s.SetClock(now, tick)
	return s, now
}

func single(t *testing.T, args ...string) *redistest.Server {
	t.Helper()
	return redistest.Running(t, suite, args...)
}

// oneNode returns the address of a cluster of one node, and the node.
func oneNode(t *testing.T) (string, *redistest.Server) {
	t.Helper()
	s := redistest.Cluster(t, suite, 1, 0)[0]
	return "redis+cluster://" + s.Addr(), s
}

func hourly(limit int64) shared.Rule {
	return shared.Rule{Name: "rule", Config: ratelimit.Config{Limit: limit, Per: time.Hour}}
}

var user = ratelimit.KeyOf("user", 42)
