package cli

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercentFor_KeepsTheGarbageAboutTheSame(t *testing.T) {
	for live, want := range map[uint64]int{0: 800, 2 << 20: 800, 8 << 20: 800, 16 << 20: 400, 24 << 20: 266, 32 << 20: 200, 4 << 30: 200} {
		if got := percentFor(live); got != want {
			t.Errorf("%d MiB alive: %d %%, want %d", live>>20, got, want)
		}
	}
}

// The heap of a test is changed here, so no test of the package is parallel.
func TestCollector_FollowsTheSizeOfTheHeap(t *testing.T) {
	before := debug.SetGCPercent(123)
	defer debug.SetGCPercent(before)
	stop := startCollector()
	if got := percentInForce(); got != mostPercent {
		t.Errorf("at first %d %%", got)
	}
	alive := make([]byte, 100<<20)
	deadline := time.Now().Add(30 * time.Second)
	for percentInForce() != leastPercent {
		if time.Now().After(deadline) {
			t.Fatal("the percentage did not follow a heap of 100 MiB")
		}
		runtime.GC()
		runtime.Gosched()
	}
	runtime.KeepAlive(alive)
	stop()
	if got := percentInForce(); got != 123 {
		t.Errorf("afterwards %d %%", got)
	}
}

func percentInForce() int {
	now := debug.SetGCPercent(100)
	debug.SetGCPercent(now)
	return now
}
