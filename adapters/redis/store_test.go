package redis_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit/shared/storetest"
)

func TestStoreOnOneServer(t *testing.T) {
	testStore(t, single(t).URL(), time.Nanosecond)
}

// The arithmetic as it is in use, where what the vectors have between two microseconds
// cannot be asked.
func TestStoreInMicroseconds(t *testing.T) {
	testStore(t, single(t).URL(), time.Microsecond)
}

func TestStoreOnACluster(t *testing.T) {
	address, _ := oneNode(t)
	testStore(t, address, time.Nanosecond)
}

func testStore(t *testing.T, address string, tick time.Duration) {
	t.Helper()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		s, now := timed(t, address, tick)
		return storetest.Harness{Store: s, Set: func(at time.Duration) { now.Store(int64(at)) }, Tick: tick}
	})
}
