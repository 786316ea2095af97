package guard_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

func TestTheSummaryTellsWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var events []guard.Executed
		must(telemetry.Subscribe(bus, "test", func(_ context.Context, e guard.Executed) { events = append(events, e) }))
		rec := &recorder{}
		g := newGuard(t, guard.Config{RateLimit: newLimit(t, 1), Concurrency: 9, Recorder: rec, Priority: guard.Normal}, guard.WithBus(bus))
		call := guard.Call{Key: ratelimit.KeyOf("user", 17), Op: "pay"}
		_ = g.DoCall(t.Context(), call, func(context.Context) error { time.Sleep(time.Second); return errDown })
		_ = g.DoCall(t.Context(), call, succeed)
		want := []guard.Executed{
			{
				Guard: "checkout", Op: "pay", Key: "user/17", Priority: guard.Normal,
				Protections: []string{"concurrency", "rate_limit"}, Result: guard.Failed, Duration: time.Second, Attempts: 1, Revision: 1,
			},
			{
				Guard: "checkout", Op: "pay", Key: "user/17", Priority: guard.Normal,
				Protections: []string{"concurrency", "rate_limit"},
				RefusedBy:   "rate_limit", Code: fault.RateLimited, Revision: 1,
			},
		}
		if !reflect.DeepEqual(events, want) {
			t.Errorf("events\n%+v, want\n%+v", events, want)
		}
		seen := []guard.Observation{
			{Guard: "checkout", Op: "pay", Result: guard.Failed, Duration: time.Second, Attempts: 1},
			{Guard: "checkout", Op: "pay", Refused: fault.RateLimited},
		}
		if !slices.Equal(rec.all, seen) {
			t.Errorf("observations %+v", rec.all)
		}
	})
}

func TestARecorderThatPanicsFindsEverythingSettled(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1, Recorder: bomb{}})
	panicked, _ := drive(func() { _ = g.Do(context.Background(), succeed) })
	if s := g.Status(); panicked == nil || s.SlotsTaken != 0 || s.Results[guard.Succeeded] != 1 || s.InFlight != 0 {
		t.Errorf("panicked %v, status %+v", panicked, s)
	}
}

type bomb struct{}

func (bomb) Record(guard.Observation) { panic("in the recorder") }

// series renders what Collect emits, one line for each series.
func series(g *guard.Guard) map[string]float64 {
	all := make(map[string]float64)
	g.Collect(func(s telemetry.Sample) {
		name := s.Desc.Name + "{" + strings.Join(s.Labels, ",") + "}"
		if s.Distribution != nil {
			all[name] = float64(s.Distribution.Count())
		} else {
			all[name] = s.Value
		}
	})
	return all
}

func TestEverySeriesExistsFromTheStart(t *testing.T) {
	g := newGuard(t, guard.Config{RateLimit: newLimit(t, 1), Breaker: newBreaker(t, breaker.Config{}), Concurrency: 5})
	before := series(g)
	_ = g.Do(t.Context(), fail)
	_ = g.Do(t.Context(), succeed)
	after := series(g)
	for name := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s appeared later", name)
		}
	}
	for name, want := range map[string]float64{
		"foundation_calls_total{checkout,failure}":                   1,
		"foundation_calls_total{checkout,success}":                   0,
		"foundation_calls_total{checkout,timeout}":                   0,
		"foundation_calls_total{checkout,canceled}":                  0,
		"foundation_calls_total{checkout,rejected}":                  1,
		"foundation_rejections_total{checkout,rate_limited}":         1,
		"foundation_rejections_total{checkout,circuit_open}":         0,
		"foundation_call_duration_seconds{checkout,failure}":         1,
		"foundation_guard_concurrency_limit{checkout}":               5,
		"foundation_guard_in_flight{checkout}":                       0,
		"foundation_guard_would_refuse_total{checkout,circuit_open}": 0,
		"foundation_guard_wait_seconds{checkout}":                    0,
	} {
		if got, ok := after[name]; !ok || got != want {
			t.Errorf("%s is %v (exists: %v), want %v", name, got, ok, want)
		}
	}
}

func TestRefusalsCarryEvidence(t *testing.T) {
	err := full(t).Do(t.Context(), succeed)
	wantCode(t, err, fault.ConcurrencyLimited)
	f, _ := errors.AsType[*fault.Error](err)
	if f.Name() != "checkout" || f.Component() != "guard" || len(f.Evidence()) != 1 || f.Evidence()[0].String() != "in_flight 1 of 1" {
		t.Errorf("evidence %v of %v", f.Evidence(), f)
	}
}

func TestResultsHaveNames(t *testing.T) {
	if guard.Indifferent.String() != "ignored" || guard.Result(99).String() != "result(99)" {
		t.Error("a result has no name")
	}
}

func TestProtectionsAreThoseThatAreConfigured(t *testing.T) {
	for want, c := range map[string]guard.Config{
		"":            {Timeout: time.Second, Recorder: &recorder{}},
		"memory":      {Admission: &memory{}},
		"concurrency": {Concurrency: 1},
		"breaker":     {Breaker: newBreaker(t, breaker.Config{})},
		"breaker ":    {Breakers: must(breaker.NewGroup("hosts", breaker.Config{}, 0))},
		"rate_limit":  {RateLimit: newLimit(t, 1)},
		"pool":        {Pool: newStage()},
		"memory concurrency breaker rate_limit pool": {
			Admission: &memory{}, Concurrency: 1, Breaker: newBreaker(t, breaker.Config{}), RateLimit: newLimit(t, 1), Pool: newStage(),
		},
	} {
		if got := strings.Join(newGuard(t, c).Status().Protections, " "); got != strings.TrimSpace(want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Every number of the status is a series, too.
func TestTheSeriesSayWhatTheStatusSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Timeout: time.Second, Lease: time.Minute, Concurrency: 9})
		open := func() { must(g.Enter(t.Context(), guard.Call{})) }
		for range 3 {
			open()
		}
		wait(time.Minute)
		open()
		open()
		for range 2 {
			_, _ = guard.DoDetached(t.Context(), g, guard.Call{}, func(context.Context) (int, error) { time.Sleep(2 * time.Second); panic("late") })
		}
		wait(time.Second)
		_, _ = guard.DoDetached(t.Context(), g, guard.Call{}, deaf(time.Minute))
		got := series(g)
		for name, want := range map[string]float64{
			"leases_expired_total": 3, "in_flight": 2, "concurrency_used": 3, "concurrency_limit": 9,
			"detached": 1, "detached_total": 3, "detached_panics_total": 2,
		} {
			if n, ok := got["foundation_guard_"+name+"{checkout}"]; !ok || n != want {
				t.Errorf("%s is %v (exists: %v), want %v", name, n, ok, want)
			}
		}
		wait(time.Hour)
	})
}

func TestTheStatusNamesTheParts(t *testing.T) {
	for name, c := range map[string]struct {
		cfg                      guard.Config
		breaker, rateLimit, pool string
	}{
		"none":     {guard.Config{}, "", "", ""},
		"breaker":  {guard.Config{Breaker: newBreaker(t, breaker.Config{})}, "payments", "", ""},
		"breakers": {guard.Config{Breakers: must(breaker.NewGroup("hosts", breaker.Config{}, 0))}, "hosts", "", ""},
		"limit":    {guard.Config{RateLimit: newLimit(t, 1)}, "", "per-user", ""},
		"pool":     {guard.Config{Pool: newStage()}, "", "", "orders"},
	} {
		if s := newGuard(t, c.cfg).Status(); s.Name != "checkout" || s.Breaker != c.breaker || s.RateLimit != c.rateLimit || s.Pool != c.pool {
			t.Errorf("%s: %q %q %q %q", name, s.Name, s.Breaker, s.RateLimit, s.Pool)
		}
	}
}
