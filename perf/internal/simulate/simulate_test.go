package simulate_test

import (
	"testing"

	"github.com/elixirscope/foundation/perf/internal/detect"
	"github.com/elixirscope/foundation/perf/internal/simulate"
)

// quiet are the services without an incident that a test runs for a month each.
var quiet = []int{0, 3}

func TestQuietMonth_HasNoAlert(t *testing.T) {
	t.Parallel()
	for _, i := range quiet {
		p := simulate.Profiles()[i]
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			c := detect.DefaultConfig(simulate.Tick)
			if r := simulate.Run(&p, &c, 30, 7, nil); r.False != [detect.Kinds]int{} {
				t.Errorf("false alarms for latency, errors and throughput in 30 days: %v", r.False)
			}
		})
	}
}

func TestIncidents_AreAllFoundAndNothingElse(t *testing.T) {
	p := simulate.Profiles()[0]
	c := detect.DefaultConfig(simulate.Tick)
	const days = 5
	plan := simulate.Plan(&p, days, 3, simulate.AllKinds()...)
	r := simulate.Run(&p, &c, days, 3, plan)
	if len(r.Outcomes) < 20 {
		t.Fatalf("%d incidents in %d days, want 20 at least", len(r.Outcomes), days)
	}
	for _, o := range r.Outcomes {
		if !o.Found {
			t.Errorf("a %v of %.1f deviations at tick %d over %d ticks was not found", o.Kind, o.Size, o.Start, o.Ticks)
		}
	}
	if r.False != [detect.Kinds]int{} {
		t.Errorf("alerts that no incident explains: %v", r.False)
	}
	if s := simulate.Summarize(r.Outcomes, func(*simulate.Outcome) bool { return true }); s.P50 > 3 {
		t.Errorf("median delay %d ticks, want at most 3", s.P50)
	}
}

func TestSeries_AlertsAreIncidents(t *testing.T) {
	p := simulate.Profiles()[0]
	if s := simulate.RunScalar(&p, 10, 3); s.Precision() < 0.95 || s.Found == 0 {
		t.Errorf("%d of %d alerts are explained, %d of %d incidents found", s.Explained, s.Alerts, s.Found, s.Incidents)
	}
}

func TestService_FollowsFromItsSeed(t *testing.T) {
	p := simulate.Profiles()[1]
	a, b, other := simulate.NewService(&p, 1), simulate.NewService(&p, 1), simulate.NewService(&p, 2)
	differ := false
	for range 1000 {
		x, y, z := a.Next(simulate.Load{}), b.Next(simulate.Load{}), other.Next(simulate.Load{})
		if x.Calls != y.Calls || x.Errors != y.Errors || !x.At.Equal(y.At) {
			t.Fatal("the same seed gives another service")
		}
		differ = differ || x.Calls != z.Calls
		sum := uint64(0)
		for _, n := range x.Buckets {
			sum += n
		}
		if sum != x.Calls || x.Errors > x.Calls {
			t.Fatalf("%d calls, %d in buckets, %d errors", x.Calls, sum, x.Errors)
		}
	}
	if !differ {
		t.Error("another seed gives the same service")
	}
}

func TestPlan_KeepsIncidentsApartAndLargeEnough(t *testing.T) {
	for _, p := range simulate.Profiles() {
		end := simulate.Day
		for _, i := range simulate.Plan(&p, 30, 5, simulate.AllKinds()...) {
			if i.Start < end || i.Size < 2 || i.Onset() < i.Start || i.Onset() >= i.End() {
				t.Errorf("%s: %+v after %d", p.Name, i, end)
			}
			end = i.End() + simulate.Day/12
		}
	}
}
