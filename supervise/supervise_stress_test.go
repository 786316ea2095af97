package supervise_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/supervise"
)

// Thirty services for twenty seconds, one killed every second in one of three ways:
// each is back within a second, as a new incarnation, and none is left at the end.
func TestScenario104_KilledServicesComeBackByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := supervise.New(nil)
		const services = 30
		kill := make([]chan int, services)
		for i := range services {
			kill[i] = make(chan int)
			add(t, tree, fmt.Sprint(i), func(ctx context.Context) error {
				select {
				case how := <-kill[i]:
					switch how {
					case 0:
						panic("killed")
					case 1:
						runtime.Goexit()
					}
					return errors.New("killed")
				case <-ctx.Done():
					return nil
				}
			})
		}
		random := rand.New(rand.NewPCG(1, 2))
		killed := uint64(0)
		for second := range 20 {
			synctest.Wait()
			i := random.IntN(services)
			before := status(t, tree, fmt.Sprint(i))
			kill[i] <- second % 3
			killed++
			time.Sleep(time.Second)
			synctest.Wait()
			if after := status(t, tree, fmt.Sprint(i)); after.State != supervise.Running || after.Incarnation != before.Incarnation+1 {
				t.Errorf("after a second: %+v", after)
			}
		}
		failures := uint64(0)
		for _, s := range tree.Status() {
			if s.State != supervise.Running {
				t.Errorf("%+v", s)
			}
			failures += s.TotalFailures
		}
		if failures != killed {
			t.Errorf("%d failures, %d killed", failures, killed)
		}
		if err := tree.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Operators, services that fail, and the end of the tree at once: no service is called
// twice at a time, nothing hangs, no goroutine is left.
func TestStress_RestartsAndRemovals(t *testing.T) {
	tree := supervise.New(nil)
	const names = 6
	var busy [names]chan struct{}
	for i := range busy {
		busy[i] = make(chan struct{}, 1)
	}
	spec := func(i int) supervise.Spec {
		return supervise.Spec{
			Name: fmt.Sprint(i), Backoff: time.Microsecond, BackoffMax: time.Millisecond,
			Service: supervise.Func(func(ctx context.Context) error {
				select {
				case busy[i] <- struct{}{}:
				default:
					t.Error("called twice at a time")
				}
				defer func() { <-busy[i] }()
				if rand.IntN(2) == 0 {
					panic("boom")
				}
				<-ctx.Done()
				return ctx.Err()
			}),
		}
	}
	ended := make(chan struct{})
	const operators = 4
	for range operators {
		go func() {
			defer func() { ended <- struct{}{} }()
			for range 500 {
				i := rand.IntN(names)
				switch rand.IntN(4) {
				case 0:
					_ = tree.Add(spec(i))
				case 1:
					if err := tree.Remove(context.Background(), fmt.Sprint(i)); err != nil && tree.Status() == nil {
						t.Error(err)
					}
				default:
					_ = tree.Restart(fmt.Sprint(i))
				}
			}
		}()
	}
	for range operators {
		<-ended
	}
	if err := tree.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
