package stripe_test

import (
	"sync"
	"testing"

	"github.com/elixirscope/foundation/internal/stripe"
)

func TestConcurrentAddsAreAllCounted(t *testing.T) {
	const goroutines, adds = 32, 2_000
	var c stripe.Counter
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range adds {
				c.Add(3)
			}
		})
	}
	wg.Wait()
	if got := c.Load(); got != 3*goroutines*adds {
		t.Errorf("counted %d of %d", got, 3*goroutines*adds)
	}
}

func TestLaneIsInRange(t *testing.T) {
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if l := stripe.Lane(); l < 0 || l >= stripe.Lanes {
				t.Errorf("lane %d", l)
			}
		})
	}
	wg.Wait()
}

func BenchmarkAdd(b *testing.B) {
	var c stripe.Counter
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Add(1)
		}
	})
}
