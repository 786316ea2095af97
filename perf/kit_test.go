package perf_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
	"github.com/elixirscope/foundation/telemetry"
)

// kit is a monitor that runs in a bubble, and what it told.
type kit struct {
	*testing.T

	m         *perf.Monitor
	rand      *rand.Rand
	triggered []perf.AlertTriggered
	resolved  []perf.AlertResolved
	stop      func()
}

// run runs a test with a monitor in virtual time. The time begins at a whole tick.
func run(t *testing.T, c perf.Config, o perf.Options, test func(k *kit)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &kit{T: t, rand: rand.New(rand.NewPCG(1, 2))}
		if o.Bus == nil {
			o.Bus = telemetry.NewBus()
		}
		subscribe(t, o.Bus, func(e perf.AlertTriggered) { k.triggered = append(k.triggered, e) })
		subscribe(t, o.Bus, func(e perf.AlertResolved) { k.resolved = append(k.resolved, e) })
		var err error
		if k.m, err = perf.New(c, o); err != nil {
			t.Fatal(err)
		}
		k.serve()
		defer func() { k.stop() }()
		time.Sleep(500 * time.Millisecond) // calls come between two pulls and not at the same moment
		test(k)
	})
}

// serve begins to run the monitor; stop waits for its end.
func (k *kit) serve() {
	ctx, cancel := context.WithCancel(k.Context())
	done := make(chan error, 1)
	go func() { done <- k.m.Serve(ctx) }()
	k.stop = func() {
		cancel()
		<-done
		k.stop = func() {}
	}
	synctest.Wait()
}

func subscribe[E telemetry.Event](t *testing.T, b *telemetry.Bus, note func(E)) {
	t.Helper()
	if _, err := telemetry.Subscribe(b, t.Name()+(*new(E)).EventName(), func(_ context.Context, e E) { note(e) }); err != nil {
		t.Fatal(err)
	}
}

// traffic is what an operation does in a second.
type traffic struct {
	rate   float64
	median time.Duration
	errors float64
}

// seconds lets the operations have traffic for so many seconds. Durations are lognormal, and
// the number of calls is Poisson's, roughly.
func (k *kit) seconds(n int, all map[string]traffic) {
	for range n {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			tr := all[name]
			op := k.m.Operation(name)
			for range max(0, int(tr.rate+math.Sqrt(tr.rate)*k.rand.NormFloat64()+0.5)) {
				if k.rand.Float64() < tr.errors {
					op.Record(0, outcome.Failure)
					continue
				}
				op.Record(time.Duration(float64(tr.median)*math.Exp(0.4*k.rand.NormFloat64())), outcome.Success)
			}
		}
		time.Sleep(time.Second)
	}
	synctest.Wait()
}

func (k *kit) wantAlerts(triggered, resolved int) {
	k.Helper()
	if len(k.triggered) != triggered || len(k.resolved) != resolved {
		k.Fatalf("%d triggered, %d resolved; want %d and %d:\n%+v\n%+v", len(k.triggered), len(k.resolved), triggered, resolved, k.triggered, k.resolved)
	}
}

func problemsOf(t *testing.T, err error) []fault.Problem {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig {
		t.Fatalf("%v is no invalid_config", err)
	}
	return f.Problems()
}
