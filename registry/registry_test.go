package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/telemetry"
)

type worker struct{ id int }

func register(t *testing.T, r *registry.Registry, owner context.Context, name string, value any) func() { //nolint:revive // in the order of Register
	t.Helper()
	release, err := r.Register(owner, "workers", name, value)
	if err != nil {
		t.Fatal(err)
	}
	return release
}

func wantCode(t *testing.T, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("the error is %v, want %v", err, code)
	}
}

func TestLookup(t *testing.T) {
	r := registry.New(nil)
	register(t, r, context.Background(), "a", &worker{1})
	if w, err := registry.Lookup[*worker](r, "workers", "a"); err != nil || w.id != 1 {
		t.Errorf("%v, %v", w, err)
	}
	_, err := registry.Lookup[string](r, "workers", "a")
	wantCode(t, err, fault.InvalidArgument)
	_, err = registry.Lookup[*worker](r, "workers", "b")
	wantCode(t, err, fault.NotFound)
	_, err = registry.Lookup[*worker](r, "others", "a")
	wantCode(t, err, fault.NotFound)
}

func TestALiveNameIsRefusedAndAReleasedOneIsFree(t *testing.T) {
	r := registry.New(nil)
	release := register(t, r, context.Background(), "a", 1)
	_, err := r.Register(context.Background(), "workers", "a", 2)
	wantCode(t, err, fault.AlreadyExists)
	if _, err := r.Register(context.Background(), "others", "a", 2); err != nil {
		t.Errorf("the same name in another namespace: %v", err)
	}
	release()
	second := register(t, r, context.Background(), "a", 3)
	release() // of the first, again: the second keeps the name
	if n, err := registry.Lookup[int](r, "workers", "a"); n != 3 {
		t.Errorf("%v, %v", n, err)
	}
	second()
	_, err = registry.Lookup[int](r, "workers", "a")
	wantCode(t, err, fault.NotFound)
}

// The name is free the moment the owner has ended, not when that was noticed.
func TestANameEndsWithItsOwner(t *testing.T) {
	r := registry.New(nil)
	for i := range 1000 {
		owner, end := context.WithCancel(context.Background())
		register(t, r, owner, "a", i)
		end()
		if i%2 == 0 {
			_, err := registry.Lookup[int](r, "workers", "a")
			wantCode(t, err, fault.NotFound)
		}
	}
}

func TestEventsOfAName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var got []string
		_, err := bus.SubscribePrefix(telemetry.Prefix+"registry.", "test", func(_ context.Context, e telemetry.Event) {
			switch e := e.(type) {
			case registry.Registered:
				got = append(got, "registered "+e.Name.String()+" "+e.Type)
			case registry.Unregistered:
				got = append(got, string(e.Reason)+" "+e.Name.String()+" "+e.After.String())
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		r := registry.New(bus)
		owner, end := context.WithCancel(t.Context())
		register(t, r, owner, "a", &worker{})
		time.Sleep(time.Second)
		end()
		synctest.Wait()
		release := register(t, r, context.Background(), "a", 1)
		release()
		register(t, r, context.Background(), "b", 1)
		if n := r.Clear("workers"); n != 1 {
			t.Errorf("cleared %d", n)
		}
		want := []string{
			"registered workers/a *registry_test.worker", "owner_ended workers/a 1s", "registered workers/a int", "released workers/a 0s",
			"registered workers/b int", "cleared workers/b 0s",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events\n%q, want\n%q", got, want)
		}
	})
}

func TestWaitForReturnsWhenTheNameAppears(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry.New(nil)
		began := time.Now()
		go func() {
			time.Sleep(3 * time.Second)
			register(t, r, context.Background(), "a", 7)
		}()
		n, err := registry.WaitFor[int](t.Context(), r, "workers", "a")
		if n != 7 || err != nil || time.Since(began) != 3*time.Second {
			t.Errorf("%v, %v after %v", n, err, time.Since(began))
		}
	})
}

func TestWaitForGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry.New(nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := registry.WaitFor[int](ctx, r, "workers", "never")
		wantCode(t, err, fault.Unavailable)
		ctx, give := context.WithCancelCause(t.Context())
		give(errors.New("enough"))
		_, err = registry.WaitFor[int](ctx, r, "workers", "never")
		wantCode(t, err, fault.Canceled)
	})
}

// Another waiter's patience, a registration that ends before the waiter runs, and a value
// of another type change nothing.
func TestWaitForGoesOnUntilThereIsAValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := registry.New(nil)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { _, _ = registry.WaitFor[int](impatient, r, "workers", "a") }()
		got := make(chan int)
		go func() {
			n, err := registry.WaitFor[int](t.Context(), r, "workers", "a")
			if err != nil {
				t.Error(err)
			}
			got <- n
		}()
		time.Sleep(2 * time.Second)
		register(t, r, context.Background(), "a", 1)() // gone before anybody sees it
		synctest.Wait()
		register(t, r, context.Background(), "a", 2)
		if n := <-got; n != 1 && n != 2 {
			t.Errorf("got %d", n)
		}
	})
}

func TestRegisterRefusesWhatCannotServe(t *testing.T) {
	r := registry.New(nil)
	_, err := r.Register(nil, "workers", "", nil) //nolint:staticcheck // the fault to be found
	wantCode(t, err, fault.InvalidConfig)
	if f, ok := errors.AsType[*fault.Error](err); !ok || len(f.Problems()) != 3 {
		t.Errorf("not all faults at once: %v", err)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	_, err = r.Register(ended, "workers", "a", 1)
	wantCode(t, err, fault.Canceled)
	if all := r.List(); len(all) != 0 {
		t.Errorf("registered all the same: %v", all)
	}
}

// hostile is a context that calls back into the registry.
type hostile struct {
	context.Context

	r *registry.Registry
}

func (h hostile) Err() error {
	h.r.List()
	return h.Context.Err()
}

func (h hostile) Done() <-chan struct{} {
	h.r.List()
	return h.Context.Done()
}

func (h hostile) Value(key any) any {
	h.r.List()
	return h.Context.Value(key)
}

func TestTheOwnerMayCallTheRegistry(t *testing.T) {
	r := registry.New(nil)
	owner, end := context.WithCancel(context.Background())
	register(t, r, hostile{owner, r}, "a", 1)
	if all := r.List(); len(all) != 1 {
		t.Errorf("%v", all)
	}
	end()
}

// What everybody does at every start and stop is no news; that a name is gone because
// its owner is may be one.
func TestEvents_OnlyAnOwnersEndIsWorthKeeping(t *testing.T) {
	name := registry.Name{Namespace: "jobs", Name: "mailer"}
	for _, c := range []struct {
		event telemetry.Edge
		keep  bool
	}{
		{registry.Registered{Name: name}, false},
		{registry.Unregistered{Name: name, Reason: registry.Released}, false},
		{registry.Unregistered{Name: name, Reason: registry.Cleared}, false},
		{registry.Unregistered{Name: name, Reason: registry.OwnerEnded}, true},
	} {
		if of, severity := c.event.Edge(); of != "jobs/mailer" || (severity != "") != c.keep {
			t.Errorf("%+v: %s %q", c.event, of, severity)
		}
	}
}
