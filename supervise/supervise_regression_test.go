package supervise_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// A service that panics, or ends its goroutine, when it is told to stop is a defect that
// somebody has to hear of.
func TestAServiceThatPanicsWhileItIsStopped(t *testing.T) {
	for name, end := range map[string]func(){"panic: boom": func() { panic("boom") }, "ended its goroutine": runtime.Goexit} {
		for how, stop := range map[string]func(*supervise.Tree) error{
			"Remove":  func(tree *supervise.Tree) error { return tree.Remove(context.Background(), "a") },
			"Close":   func(tree *supervise.Tree) error { return tree.Close(context.Background()) },
			"Restart": func(tree *supervise.Tree) error { return tree.Restart("a") },
		} {
			synctest.Test(t, func(t *testing.T) {
				bus := telemetry.NewBus()
				var mu sync.Mutex
				var got []supervise.ServiceFailed
				_, err := telemetry.Subscribe(bus, "test", func(_ context.Context, e supervise.ServiceFailed) {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, e)
				})
				if err != nil {
					t.Fatal(err)
				}
				tree := open(t, bus)
				calls := 0
				add(t, tree, "a", func(ctx context.Context) error {
					calls++
					<-ctx.Done()
					if calls == 1 {
						end()
					}
					return ctx.Err()
				})
				synctest.Wait()
				if err := stop(tree); err != nil {
					t.Errorf("%s: %v", how, err)
				}
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				if len(got) != 1 || !strings.Contains(got[0].Err.Error(), name) || (got[0].Stack != "") != strings.Contains(name, "panic") {
					t.Fatalf("%s, %s: %+v", how, name, got)
				}
				if got[0].Final != (how != "Restart") {
					t.Errorf("%s: %+v", how, got[0])
				}
				for _, s := range tree.Status() {
					if want := map[bool]supervise.State{true: supervise.Running, false: supervise.Stopped}[how == "Restart"]; s.State != want || s.TotalFailures != 1 || s.Err == nil {
						t.Errorf("%s: %+v", how, s)
					}
				}
			})
		}
	}
}

// A handler of a service's own event may close the tree: that is bounded by the service's
// StopTimeout.
func TestAHandlerMayCloseTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		tree := supervise.New(bus)
		closed := make(chan error, 1)
		_, err := telemetry.Subscribe(bus, "test", func(_ context.Context, _ supervise.ServiceFailed) {
			closed <- tree.Close(context.Background())
		})
		if err != nil {
			t.Fatal(err)
		}
		add(t, tree, "a", func(context.Context) error { return errDown })
		began := time.Now()
		<-closed
		if took := time.Since(began); took != supervise.DefaultStopTimeout {
			t.Errorf("took %v", took)
		}
	})
}

// Restarts that come while the service still ends are one restart, and take no pause from a
// failure that comes much later.
func TestRestartsAtOnceAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		fail := make(chan error)
		add(t, tree, "a", func(ctx context.Context) error {
			select {
			case err := <-fail:
				return err
			case <-ctx.Done():
				time.Sleep(time.Second)
				return ctx.Err()
			}
		})
		synctest.Wait()
		for range 5 {
			if err := tree.Restart("a"); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if s := status(t, tree, "a"); s.Incarnation != 2 {
			t.Errorf("%+v", s)
		}
		fail <- errDown
		wantState(t, tree, "a", supervise.BackingOff)
	})
}

func TestARestartOfAClosedTreeIsRefused(t *testing.T) {
	tree := supervise.New(nil)
	add(t, tree, "a", serve)
	if err := tree.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := tree.Restart("a"); !errors.Is(err, fault.Closed) {
		t.Error(err)
	}
}

// Names are given to services that are in the tree, and taken back when they have gone.
func TestNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var named []string
		tree := supervise.New(nil, supervise.WithNames(func(name string, s supervise.Service) (release func()) {
			mu.Lock()
			defer mu.Unlock()
			if s == nil {
				t.Error("no service")
			}
			named = append(named, name)
			return func() {
				mu.Lock()
				defer mu.Unlock()
				named = slices.DeleteFunc(named, func(n string) bool { return n == name })
			}
		}))
		want := func(names ...string) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(named, names) {
				t.Errorf("named %v, want %v", named, names)
			}
		}
		leave := make(chan struct{})
		add(t, tree, "a", serve)
		add(t, tree, "b", func(context.Context) error { <-leave; return nil })
		want("a", "b")
		if err := tree.Add(supervise.Spec{Name: "a", Service: supervise.Func(serve)}); err == nil {
			t.Error("added twice")
		}
		want("a", "b")
		if err := tree.Remove(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		want("b")
		add(t, tree, "a", serve)
		synctest.Wait() // a service that is removed before it was started ends at once
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tree.Remove(ctx, "b"); !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		want("a")
		close(leave)
		if err := tree.Close(t.Context()); err != nil {
			t.Error(err)
		}
		want()
	})
}
