package ordered_test

import (
	"runtime"
	"sync"
	"testing"

	"github.com/elixirscope/foundation/internal/ordered"
)

// Many goroutines cause numbered events under one lock and deliver after it, and some
// handlers end their goroutine: every event is delivered once, in order, one at a time.
func TestManyDeliverInOrder(t *testing.T) {
	const callers, each = 16, 60 // fewer than Bound: nothing is dropped
	var (
		q     ordered.Queue[int]
		cause sync.Mutex
		last  int // of those that were added; under cause
		got   int // the last that was delivered; no lock, the race detector watches
		done  sync.WaitGroup
	)
	handle := func(e int, missed uint64) {
		if e != got+1 || missed != 0 {
			t.Errorf("%d after %d, %d missed", e, got, missed)
		}
		if got = e; e%97 == 0 {
			runtime.Goexit()
		}
		runtime.Gosched()
	}
	for range callers {
		done.Go(func() {
			for range each {
				var apart sync.WaitGroup
				apart.Go(func() {
					cause.Lock()
					last++
					q.Add(last)
					cause.Unlock()
					q.Deliver(handle)
				})
				apart.Wait()
			}
		})
	}
	done.Wait()
	if q.Deliver(handle); got != callers*each {
		t.Errorf("%d of %d delivered", got, callers*each)
	}
}
