package foundation_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// Everything that Open starts is found by its name, follows changes, and is gone at the end.
func TestWhatIsOpenIsFoundByItsName(t *testing.T) {
	f := open(t, foundation.Options{Config: &config.Config{
		Breakers:   map[string]config.Breaker{"b": {}},
		RateLimits: map[string]config.RateLimit{"r": {Config: ratelimit.Config{Limit: 1, Per: time.Second}}},
		Guards:     map[string]config.Guard{"g": {}},
	}})
	r := f.Registry()
	b, err := registry.Lookup[*breaker.Breaker](r, "breakers", "b")
	if own, _ := f.Breaker("b"); err != nil || b != own {
		t.Errorf("%v, %v", b, err)
	}
	if _, err := registry.Lookup[*ratelimit.Limiter](r, "rate_limits", "r"); err != nil {
		t.Error(err)
	}
	if _, err := registry.Lookup[*guard.Guard](r, "guards", "g"); err != nil {
		t.Error(err)
	}
	if c, err := registry.Lookup[*config.Server](r, "foundation", "config"); err != nil || c != f.Config() {
		t.Error(err)
	}
	if _, err := registry.Lookup[pool.Managed](r, "pools", "none"); !errors.Is(err, fault.NotFound) {
		t.Error(err)
	}

	apply(t, f, &config.Config{Breakers: map[string]config.Breaker{"c": {}}})
	var names []string
	for _, e := range r.List() {
		names = append(names, e.Name.String())
	}
	if want := []string{"breakers/c", "foundation/config", "foundation/services"}; !slices.Equal(names, want) {
		t.Errorf("registered: %v, want %v", names, want)
	}
	if err := f.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if all := r.List(); len(all) != 0 {
		t.Errorf("registered after Close: %v", all)
	}
}

// Whoever is told of a name may change the configuration.
func TestAHandlerOfTheRegistryMayChangeTheConfiguration(t *testing.T) {
	bus := telemetry.NewBus()
	f := open(t, foundation.Options{Bus: bus})
	changed := false
	_, err := telemetry.Subscribe(bus, "test", func(ctx context.Context, e registry.Registered) {
		if e.Name.Name != "a" {
			return
		}
		_, err := f.Config().Edit(ctx, func(c *config.Config) error {
			c.Breakers["b"] = config.Breaker{}
			return nil
		}, config.By{})
		changed = err == nil
	})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, f, &config.Config{Breakers: map[string]config.Breaker{"a": {}}})
	if _, err := registry.Lookup[*breaker.Breaker](f.Registry(), "breakers", "b"); !changed || err != nil {
		t.Errorf("changed: %v, %v", changed, err)
	}
}

func TestSupervise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := foundation.Open(t.Context(), foundation.Options{Config: &config.Config{Guards: map[string]config.Guard{"g": {}}}})
		if err != nil {
			t.Fatal(err)
		}
		var atTheEnd error
		attempts := 0
		worker := supervise.Func(func(ctx context.Context) error {
			if attempts++; attempts == 1 {
				panic("boom")
			}
			<-ctx.Done()
			g, err := f.Guard("g")
			if err == nil {
				atTheEnd = g.Do(context.Background(), fine) // what it has to finish goes through its guard
			}
			return err
		})
		if err := f.Supervise("worker", worker); err != nil {
			t.Fatal(err)
		}
		if err := f.Supervise("worker", worker); !errors.Is(err, fault.AlreadyExists) {
			t.Error(err)
		}
		if _, err := registry.WaitFor[supervise.Service](t.Context(), f.Registry(), "services", "worker"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := f.Status().Services; len(s) != 1 || s[0].State != supervise.Running || s[0].Incarnation != 2 {
			t.Errorf("%+v", s)
		}
		if got := sample(f, "foundation_service_failures_total"); got != 1 {
			t.Errorf("%v failures in the metrics", got)
		}
		if err := f.Close(t.Context()); err != nil || atTheEnd != nil {
			t.Errorf("Close: %v; the last call of the service: %v", err, atTheEnd)
		}
		if err := f.Supervise("late", worker); !errors.Is(err, fault.Closed) {
			t.Error(err)
		}
	})
}

// A service is found by its name as long as it is in the tree, however it came there.
func TestNamesOfServicesFollowTheTree(t *testing.T) {
	f := open(t, foundation.Options{})
	tree, err := registry.Lookup[*supervise.Tree](f.Registry(), "foundation", "services")
	if err != nil {
		t.Fatal(err)
	}
	first, second := &counting{n: 1}, &counting{n: 2}
	if err := f.Supervise("worker", first); err != nil {
		t.Fatal(err)
	}
	if err := tree.Remove(t.Context(), "worker"); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Lookup[*counting](f.Registry(), "services", "worker"); !errors.Is(err, fault.NotFound) {
		t.Errorf("after Remove: %v", err)
	}
	if err := tree.Add(supervise.Spec{Name: "worker", Service: second}); err != nil {
		t.Fatal(err)
	}
	if s, err := registry.Lookup[*counting](f.Registry(), "services", "worker"); err != nil || s != second {
		t.Errorf("%v, %v", s, err)
	}
}

type counting struct{ n int }

func (*counting) Serve(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// sample is the value of a metric, -1 if there is none.
func sample(f *foundation.Foundation, name string) float64 {
	value := -1.0
	f.Collect(func(s telemetry.Sample) {
		if s.Desc.Name == name {
			value = s.Value
		}
	})
	return value
}
