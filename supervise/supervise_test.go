package supervise_test

import (
	"context"
	"errors"
	"fmt"
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

var errDown = errors.New("down")

// serve does nothing until it is stopped.
func serve(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// open returns a tree that is closed in time when the test ends.
func open(t *testing.T, bus *telemetry.Bus) *supervise.Tree {
	t.Helper()
	tree := supervise.New(bus)
	t.Cleanup(func() {
		if err := tree.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tree
}

func add(t *testing.T, tree *supervise.Tree, name string, fn func(context.Context) error) {
	t.Helper()
	if err := tree.Add(supervise.Spec{Name: name, Service: supervise.Func(fn)}); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, tree *supervise.Tree, name string) supervise.Status {
	t.Helper()
	all := tree.Status()
	i := slices.IndexFunc(all, func(s supervise.Status) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no service %q in %v", name, all)
	}
	return all[i]
}

func wantState(t *testing.T, tree *supervise.Tree, name string, want supervise.State) {
	t.Helper()
	synctest.Wait()
	if s := status(t, tree, name); s.State != want {
		t.Errorf("%s is %v, want %v: %+v", name, s.State, want, s)
	}
}

func TestAServiceThatEndsIsStartedAgain(t *testing.T) {
	ends := map[string]func(){
		"error":  func() {},
		"panic":  func() { panic("boom") },
		"goexit": runtime.Goexit,
	}
	says := map[string]string{"error": "down", "panic": "boom", "goexit": "ended its goroutine"}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tree := open(t, nil)
				calls := 0
				add(t, tree, "a", func(ctx context.Context) error {
					if calls++; calls == 2 {
						return serve(ctx)
					}
					time.Sleep(time.Second)
					end()
					return errDown
				})
				time.Sleep(time.Second)
				wantState(t, tree, "a", supervise.BackingOff)
				s := status(t, tree, "a")
				if pause := s.Next.Sub(s.Since); pause < 80*time.Millisecond || pause > 120*time.Millisecond {
					t.Errorf("pauses for %v", pause)
				}
				if s.Err == nil || !strings.Contains(s.Err.Error(), says[name]) || s.Failures != 1 || !s.FailedAt.Equal(s.Since) {
					t.Errorf("%+v", s)
				}
				time.Sleep(200 * time.Millisecond)
				wantState(t, tree, "a", supervise.Running)
				if s := status(t, tree, "a"); s.Incarnation != 2 || s.TotalFailures != 1 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestReturningWithoutBeingToldIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		add(t, tree, "a", func(context.Context) error { return nil })
		wantState(t, tree, "a", supervise.BackingOff)
	})
}

func TestPermanent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		add(t, tree, "done", func(context.Context) error { return supervise.Permanent(nil) })
		add(t, tree, "bad", func(context.Context) error { return fmt.Errorf("setup: %w", supervise.Permanent(errDown)) })
		wantState(t, tree, "done", supervise.Completed)
		wantState(t, tree, "bad", supervise.Failed)
		time.Sleep(time.Hour)
		if s := status(t, tree, "bad"); !errors.Is(s.Err, errDown) || s.Incarnation != 1 {
			t.Errorf("%+v", s)
		}
		for _, name := range []string{"done", "bad"} {
			if err := tree.Restart(name); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		for _, s := range tree.Status() {
			if s.Incarnation != 2 {
				t.Errorf("was not restarted: %+v", s)
			}
		}
	})
}

// One that always fails pauses longer and longer, to the end, and slows nobody else.
func TestBackoffIsEachServicesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		var began []time.Time
		add(t, tree, "always-fails", func(context.Context) error {
			began = append(began, time.Now())
			return errDown
		})
		crashes := 0
		add(t, tree, "fails-rarely", func(ctx context.Context) error {
			crashes++
			ctx, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			<-ctx.Done()
			return errDown
		})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i := 1; i < len(began); i++ {
			want := min(supervise.DefaultBackoff<<(i-1), supervise.DefaultBackoffMax)
			if pause := began[i].Sub(began[i-1]); pause < want*8/10 || pause > want*12/10 {
				t.Errorf("pause %d is %v, want about %v", i, pause, want)
			}
		}
		if len(began) < 20 {
			t.Errorf("%d attempts in ten minutes", len(began))
		}
		if s := status(t, tree, "fails-rarely"); crashes != 10 || s.Failures != 1 || s.TotalFailures != 9 {
			t.Errorf("%d starts, %+v", crashes, s)
		}
	})
}

func TestAServiceThatReportsReadyIsStartingUntilThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		var first context.Context
		err := tree.Add(supervise.Spec{Name: "a", ReportsReady: true, Service: supervise.Func(func(ctx context.Context) error {
			if first == nil {
				first = ctx //nolint:fatcontext // an incarnation that is over is to report
				return errDown
			}
			time.Sleep(time.Second)
			supervise.Ready(ctx)
			return serve(ctx)
		})})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		supervise.Ready(first) // an incarnation that is over
		wantState(t, tree, "a", supervise.Starting)
		time.Sleep(time.Second)
		wantState(t, tree, "a", supervise.Running)
		supervise.Ready(t.Context()) // of no service
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		add(t, tree, "a", serve)
		add(t, tree, "b", func(context.Context) error { return errDown })
		time.Sleep(time.Minute)
		for _, name := range []string{"a", "b"} {
			before := status(t, tree, name)
			if err := tree.Restart(name); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			after := status(t, tree, name)
			if after.Incarnation != before.Incarnation+1 || name == "b" && after.Failures != 1 {
				t.Errorf("before %+v, after %+v", before, after)
			}
		}
		if s := status(t, tree, "a"); s.TotalFailures != 0 || s.Err != nil {
			t.Errorf("a restart that somebody wanted is a failure: %+v", s)
		}
		if err := tree.Restart("c"); !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
	})
}

// A service that does not return is never called a second time beside itself.
func TestAServiceThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := supervise.New(nil)
		var running, most int
		leave := make(chan struct{})
		add(t, tree, "deaf", func(context.Context) error {
			running++
			most = max(most, running)
			<-leave
			running--
			return nil
		})
		synctest.Wait()
		if err := tree.Restart("deaf"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(supervise.DefaultStopTimeout)
		wantState(t, tree, "deaf", supervise.Failed)
		if err := status(t, tree, "deaf").Err; err == nil || !strings.Contains(err.Error(), "within 5s") {
			t.Error(err)
		}
		leave <- struct{}{}
		wantState(t, tree, "deaf", supervise.Running)
		if most != 1 || status(t, tree, "deaf").Incarnation != 2 {
			t.Errorf("%d at once, %+v", most, status(t, tree, "deaf"))
		}
		began := time.Now()
		err := tree.Close(t.Context())
		if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "left behind") || time.Since(began) != supervise.DefaultStopTimeout {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		close(leave)
	})
}

func TestCloseStopsTheLastFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := supervise.New(nil)
		var ended []string
		for _, name := range []string{"a", "b", "c"} {
			add(t, tree, name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // what it has to finish
				ended = append(ended, name)
				return nil
			})
		}
		synctest.Wait()
		if err := tree.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if !slices.Equal(ended, []string{"c", "b", "a"}) {
			t.Errorf("ended in the order %v", ended)
		}
		for _, s := range tree.Status() {
			if s.State != supervise.Stopped || s.TotalFailures != 0 {
				t.Errorf("%+v", s)
			}
		}
		if err := tree.Add(supervise.Spec{Name: "d", Service: supervise.Func(serve)}); !errors.Is(err, fault.Closed) {
			t.Error(err)
		}
		if err := tree.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseTellsAllWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := supervise.New(nil)
		for _, name := range []string{"a", "b"} {
			add(t, tree, name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(2 * time.Second)
				return nil
			})
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := tree.Close(ctx); !errors.Is(err, fault.Unavailable) {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		wantState(t, tree, "a", supervise.Stopped)
	})
}

func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := open(t, nil)
		add(t, tree, "a", serve)
		if err := tree.Add(supervise.Spec{Name: "a", Service: supervise.Func(serve)}); !errors.Is(err, fault.AlreadyExists) {
			t.Error(err)
		}
		if err := tree.Remove(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		if err := tree.Remove(t.Context(), "a"); !errors.Is(err, fault.NotFound) {
			t.Error(err)
		}
		add(t, tree, "a", serve)
	})
}

func TestAddRefusesABadSpecWithAllItsFaults(t *testing.T) {
	tree := open(t, nil)
	err := tree.Add(supervise.Spec{Backoff: -1, StopTimeout: -1})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig || len(f.Problems()) != 4 {
		t.Errorf("%v", err)
	}
	if all := tree.Status(); len(all) != 0 {
		t.Errorf("%v", all)
	}
}

func TestAHandlerThatEndsItsGoroutineEndsNoService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		for name, exit := range map[string]func(){"goexit": runtime.Goexit, "panic": func() { panic("handler") }} {
			_, err := bus.SubscribePrefix(telemetry.Prefix+"supervisor.", name, func(context.Context, telemetry.Event) { exit() })
			if err != nil {
				t.Fatal(err)
			}
		}
		tree := open(t, bus)
		add(t, tree, "a", func(context.Context) error { return errDown })
		time.Sleep(time.Hour)
		if s := status(t, tree, "a"); s.Incarnation < 100 {
			t.Errorf("was not started again: %+v", s)
		}
	})
}

func TestEventsOfAService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var mu sync.Mutex
		var got []string
		_, err := bus.SubscribePrefix(telemetry.Prefix+"supervisor.", "test", func(_ context.Context, e telemetry.Event) {
			mu.Lock()
			defer mu.Unlock()
			switch e := e.(type) {
			case supervise.ServiceStarted:
				got = append(got, fmt.Sprintf("started %d after %d", e.Incarnation, e.Recovered))
			case supervise.ServiceFailed:
				got = append(got, fmt.Sprintf("failed %d after %v, final %v, stack %v", e.Incarnation, e.Ran, e.Final, strings.Contains(e.Stack, "supervise_test.go")))
			case supervise.ServiceBackoff:
				got = append(got, fmt.Sprintf("backs off after %d", e.Failures))
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		tree := open(t, bus)
		calls := 0
		add(t, tree, "a", func(context.Context) error {
			time.Sleep(time.Second)
			if calls++; calls == 1 {
				panic("boom")
			}
			return supervise.Permanent(errDown)
		})
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := []string{
			"started 1 after 0", "failed 1 after 1s, final false, stack true", "backs off after 1",
			"started 2 after 1", "failed 2 after 1s, final true, stack false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events\n%q, want\n%q", got, want)
		}
	})
}
