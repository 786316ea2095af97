package redis_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit/shared/storetest"
)

func TestStoreOnOneServer(t *testing.T) {
	testStore(t, single(t).URL())
}

func TestStoreOnACluster(t *testing.T) {
	address, _ := oneNode(t)
	testStore(t, address)
}

func testStore(t *testing.T, address string) {
	t.Helper()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		s, now := timed(t, address, time.Nanosecond)
		return storetest.Harness{Store: s, Set: func(at time.Duration) { now.Store(int64(at)) }}
	})
}
