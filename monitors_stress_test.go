package foundation_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/registry"
	"github.com/elixirscope/foundation/supervise"
)

// Thirty workers use the layer for 20 s while every 2 s one of its services is stopped at
// random. Afterwards all of them are up by themselves, and everything works.
func TestScenario104_TheServicesOfTheLayerComeBackByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, err := foundation.Open(t.Context(), foundation.Options{Monitors: true, Config: &config.Config{
			Storage: &config.Storage{}, Guards: map[string]config.Guard{"g": {Config: guard.Config{Concurrency: 8}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := registry.Lookup[*supervise.Tree](f.Registry(), "foundation", "services")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		names := running(t, f)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var workers sync.WaitGroup
		for i := range 30 {
			workers.Go(func() { useAll(ctx, t, f, i) })
		}
		for ctx.Err() == nil {
			time.Sleep(2 * time.Second)
			if err := tree.Restart(names[rand.IntN(len(names))]); err != nil {
				t.Error(err)
			}
		}
		workers.Wait()
		time.Sleep(time.Minute)
		if again := running(t, f); len(again) != len(names) {
			t.Errorf("services before: %v, afterwards: %v", names, again)
		}
		useAll(t.Context(), t, f, 0)
		if s := f.Health().Report(); s.Status != health.Pass {
			t.Errorf("health %+v", s)
		}
		if err := f.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// running returns the names of the services, all of which must run or have done their work.
func running(t *testing.T, f *foundation.Foundation) (names []string) {
	t.Helper()
	for _, s := range f.Status().Services {
		if s.State != supervise.Running && s.State != supervise.Completed {
			t.Errorf("service %s is %v: %v", s.Name, s.State, s.Err)
		}
		names = append(names, s.Name)
	}
	return names
}

// useAll uses each part of the layer, again and again until ctx ends if it can.
func useAll(ctx context.Context, t *testing.T, f *foundation.Foundation, worker int) {
	t.Helper()
	g, err := f.Guard("g")
	if err != nil {
		t.Error(err)
		return
	}
	for round := 0; ; round++ {
		_ = g.Do(ctx, func(context.Context) error { time.Sleep(3 * time.Millisecond); return nil })
		_, _, _ = f.Status(), f.Health().Report(), f.Performance().Alerts()
		if worker == 0 && round%20 == 0 {
			_, err := f.Config().Edit(context.WithoutCancel(ctx), func(c *config.Config) error {
				s := c.Guards["g"]
				s.Timeout = time.Second + time.Duration(round)*time.Millisecond
				c.Guards["g"] = s
				return nil
			}, config.By{Actor: "test", Reason: "load"})
			if err != nil {
				t.Error(err)
			}
		}
		if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
