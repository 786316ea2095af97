package registry_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/elixirscope/foundation/registry"
)

// Of many that want one name exactly one has it at a time.
func TestStress_ANameHasOneOwnerAtATime(t *testing.T) {
	r := registry.New(nil)
	var holders, held atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 2000 {
				owner, end := context.WithCancel(context.Background())
				release, err := r.Register(owner, "workers", "a", i)
				if err == nil {
					if n := holders.Add(1); n != 1 {
						t.Errorf("%d hold the name", n)
					}
					held.Add(1)
					holders.Add(-1)
					if i%2 == 0 {
						release()
					}
				}
				end()
			}
		})
	}
	all.Wait()
	if held.Load() == 0 {
		t.Error("nobody ever had the name")
	}
}

func TestStress_EveryWaiterIsWoken(t *testing.T) {
	r := registry.New(nil)
	var all sync.WaitGroup
	for round := range 200 {
		name := fmt.Sprintf("n%d", round)
		for range 4 {
			all.Go(func() {
				if n, err := registry.WaitFor[int](context.Background(), r, "workers", name); n != round || err != nil {
					t.Errorf("%v, %v", n, err)
				}
			})
		}
		all.Go(func() {
			if _, err := r.Register(context.Background(), "workers", name, round); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
