package foundation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/telemetry"
)

// An alert that is on when the section is turned off ends: nobody would see its end. It does
// not come back with the section unless what it was about still lasts.
func TestPerformance_AlertsEndWithTheSection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		resolved := 0
		if _, err := telemetry.Subscribe(bus, "test", func(context.Context, perf.AlertResolved) { resolved++ }); err != nil {
			t.Fatal(err)
		}
		settings := perf.Config{Tick: time.Second, Thresholds: map[string]perf.Threshold{"op:x": {Errors: 0.1, MinCalls: 1}}}
		f := openPerformance(t, foundation.Options{Bus: bus, Config: performance(settings)})
		seconds := func(n int, how outcome.Outcome) {
			for range n {
				f.Performance().Operation("x").Record(time.Millisecond, how)
				time.Sleep(time.Second)
			}
			synctest.Wait()
		}
		set := func(section *config.Performance) {
			t.Helper()
			if _, err := f.Config().Edit(t.Context(), func(c *config.Config) error { c.Performance = section; return nil }, config.By{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		firing := func() (n int) {
			for _, a := range f.Performance().Alerts() {
				if a.State == perf.Firing {
					n++
				}
			}
			return n
		}
		time.Sleep(500 * time.Millisecond)
		seconds(10, outcome.Failure)
		if firing() != 1 {
			t.Fatalf("%+v", f.Performance().Alerts())
		}
		set(&config.Performance{Off: true})
		if firing() != 0 || resolved != 1 {
			t.Errorf("%d resolved, %+v", resolved, f.Performance().Alerts())
		}
		set(&config.Performance{Config: settings})
		seconds(10, outcome.Success)
		if firing() != 0 {
			t.Errorf("it came back: %+v", f.Performance().Alerts())
		}
		seconds(10, outcome.Failure)
		if firing() != 1 {
			t.Errorf("what is wrong again is not found: %+v", f.Performance().Alerts())
		}
	})
}

// A change that is refused puts nothing in force, also where the section was off before.
func TestPerformance_ARefusedChangeChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused by the program")
		section := config.Section{Name: "mine", New: func() any { return new(struct{}) }, Prepare: func(_ context.Context, _, next *config.Config, _ func(string) (*guard.Guard, error)) (config.Transition, error) {
			if next.Performance != nil {
				return config.Transition{}, refused
			}
			return config.Transition{}, nil
		}}
		f := openPerformance(t, foundation.Options{Config: &config.Config{}, Sections: []config.Section{section}})
		before := f.Performance().Config()
		_, err := f.Config().Edit(t.Context(), func(c *config.Config) error {
			c.Performance = &config.Performance{Config: perf.Config{Tick: 7 * time.Second}}
			return nil
		}, config.By{})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		if now := f.Performance().Config(); now.Tick != before.Tick {
			t.Errorf("the refused tick of %v is in force", now.Tick)
		}
	})
}
