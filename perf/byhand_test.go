package perf_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

func with(c perf.Config, change func(*perf.Config)) perf.Config {
	change(&c)
	return c
}

// Bounds that were set by hand hold from the first tick on, while the rest is learned.
func TestThresholds_HoldFromTheFirstTickOn(t *testing.T) {
	slow, failing := usual, usual
	slow.median, failing.errors = 400*time.Millisecond, 0.2
	for name, tt := range map[string]struct {
		bounds  perf.Threshold
		bad     traffic
		kind    string
		measure string
		against float64
	}{
		"p99":      {perf.Threshold{P99: 250 * time.Millisecond}, slow, "latency", "p99", 0.25},
		"p50":      {perf.Threshold{P50: 100 * time.Millisecond, P99: time.Minute}, slow, "latency", "p50", 0.1},
		"errors":   {perf.Threshold{Errors: 0.05}, failing, "errors", "errors", 0.05},
		"min_rate": {perf.Threshold{MinRate: 10}, traffic{rate: 2, median: time.Millisecond}, "throughput", "rate", 10},
		"max_rate": {perf.Threshold{MaxRate: 200}, traffic{rate: 400, median: time.Millisecond}, "throughput", "rate", 200},
	} {
		t.Run(name, func(t *testing.T) {
			c := with(quick, func(c *perf.Config) { c.Thresholds = map[string]perf.Threshold{"op:x": tt.bounds} })
			run(t, c, perf.Options{}, func(k *kit) {
				k.seconds(10, map[string]traffic{"x": usual})
				k.wantAlerts(0, 0)
				k.seconds(10, map[string]traffic{"x": tt.bad})
				k.wantAlerts(1, 0)
				if e := k.triggered[0]; e.Kind != tt.kind || e.Cause != "threshold" || e.Measure != tt.measure || e.Against != tt.against || e.Text == "" {
					t.Errorf("%+v", e)
				}
				k.seconds(30, map[string]traffic{"x": usual})
				k.wantAlerts(1, 1)
			})
		})
	}
}

// Three of five ticks: two bad ones are none.
func TestThresholds_TakeSoManyOfTheLastTicks(t *testing.T) {
	c := with(quick, func(c *perf.Config) {
		c.Thresholds = map[string]perf.Threshold{"op:x": {P99: 250 * time.Millisecond, MinCalls: 1}}
	})
	run(t, c, perf.Options{}, func(k *kit) {
		op := k.m.Operation("x")
		tick := func(d time.Duration) {
			op.Record(d, outcome.Success)
			k.seconds(1, nil)
		}
		k.seconds(2, nil)
		for _, d := range []time.Duration{1, 1, 1, 0, 0, 1, 1, 1, 0} { // 0: slow
			tick(time.Millisecond + (1-d)*time.Second)
		}
		k.wantAlerts(0, 0)
		tick(time.Second)
		k.wantAlerts(0, 0)
		tick(time.Millisecond)
		tick(time.Second)
		k.wantAlerts(1, 0)
		if e := k.triggered[0]; e.Seen < 0.9 || e.Seen > 1.1 {
			t.Errorf("%+v", e)
		}
	})
}

// An operation that was never called is below every rate.
func TestThresholds_SilenceIsBelowTheLeastRate(t *testing.T) {
	c := with(quick, func(c *perf.Config) { c.Thresholds = map[string]perf.Threshold{"op:cron": {MinRate: 0.5}} })
	run(t, c, perf.Options{}, func(k *kit) {
		k.m.Operation("cron")
		k.seconds(10, nil)
		k.wantAlerts(1, 0)
	})
}

// A threshold that is taken away takes its alert along.
func TestThresholds_AlertsEndWithTheirBound(t *testing.T) {
	c := with(quick, func(c *perf.Config) { c.Thresholds = map[string]perf.Threshold{"op:cron": {MinRate: 0.5}} })
	run(t, c, perf.Options{}, func(k *kit) {
		k.m.Operation("cron")
		k.seconds(10, nil)
		k.wantAlerts(1, 0)
		if err := k.m.Reconfigure(quick); err != nil {
			t.Fatal(err)
		}
		k.seconds(2, nil)
		k.wantAlerts(1, 1)
	})
}

func objective(o perf.Objective) perf.Config {
	return with(quick, func(c *perf.Config) { c.Objectives = map[string]perf.Objective{"op:x": o} })
}

func TestObjectives_AFastBurnRaisesOneSevereAlert(t *testing.T) {
	run(t, objective(perf.Objective{Success: 0.999}), perf.Options{}, func(k *kit) {
		good, bad := usual, usual
		good.errors, bad.errors = 0.0002, 0.05
		k.seconds(600, map[string]traffic{"x": good})
		k.wantAlerts(0, 0)
		k.seconds(60, map[string]traffic{"x": bad})
		var objective *perf.AlertTriggered
		for i := range k.triggered {
			if k.triggered[i].Kind == "objective" {
				if objective != nil {
					t.Fatal("two alerts of one objective")
				}
				objective = &k.triggered[i]
			}
		}
		if objective == nil || objective.Cause != "objective" || objective.Measure != "success" || !objective.Severe || objective.Seen < 14.4 || objective.Against != 14.4 {
			t.Fatalf("%+v", k.triggered)
		}
		s, err := k.m.OperationStatus("op:x", time.Minute)
		if err != nil || len(s.Objectives) != 1 || s.Objectives[0].Spent < 1 || s.Objectives[0].Burn < 10 {
			t.Errorf("%+v, %v", s.Objectives, err)
		}
		k.seconds(240, map[string]traffic{"x": good})
		if s, _ := k.m.OperationStatus("op:x", time.Minute); len(s.Alerts) > 1 {
			t.Errorf("%+v", s.Alerts)
		}
	})
}

func TestObjectives_OfLatency(t *testing.T) {
	run(t, objective(perf.Objective{Latency: 250 * time.Millisecond, LatencyShare: 0.99, Period: 12 * time.Hour}), perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"x": usual})
		slow := usual
		slow.median = 240 * time.Millisecond
		k.seconds(60, map[string]traffic{"x": slow})
		found := false
		for _, e := range k.triggered {
			found = found || e.Kind == "objective" && e.Measure == "latency"
		}
		if !found {
			t.Errorf("%+v", k.triggered)
		}
	})
}

// One failure after a quiet night is no incident, whatever its share is.
func TestObjectives_OneFailureIsNoAlert(t *testing.T) {
	run(t, objective(perf.Objective{Success: 0.999}), perf.Options{}, func(k *kit) {
		op := k.m.Operation("x")
		k.seconds(60, nil)
		op.Record(time.Millisecond, outcome.Failure)
		k.seconds(60, nil)
		for range 50 {
			op.Record(time.Millisecond, outcome.Success)
		}
		op.Record(time.Millisecond, outcome.Failure)
		k.seconds(60, nil)
		k.wantAlerts(0, 0)
	})
}

func TestConfig_RefusesWhatCannotBe(t *testing.T) {
	for name, tt := range map[string]struct {
		c     perf.Config
		field string
	}{
		"tick too short":          {perf.Config{Tick: time.Millisecond}, "tick"},
		"tick not whole":          {perf.Config{Tick: 1500 * time.Millisecond}, "tick"},
		"warm-up too short":       {perf.Config{WarmUp: 20 * time.Second}, "warm_up"},
		"no effect":               {perf.Config{MinEffect: -1}, "min_effect"},
		"hold below a tick":       {perf.Config{Hold: time.Second}, "hold"},
		"operations":              {perf.Config{MaxOperations: -1}, "max_operations"},
		"success of 1":            {objectiveOf(perf.Objective{Success: 1}), "objectives[x].success"},
		"success of 99.9":         {objectiveOf(perf.Objective{Success: 99.9}), "objectives[x].success"},
		"empty objective":         {objectiveOf(perf.Objective{}), "objectives[x].success"},
		"share of 2":              {objectiveOf(perf.Objective{Latency: time.Second, LatencyShare: 2}), "objectives[x].latency_share"},
		"share without bound":     {objectiveOf(perf.Objective{LatencyShare: 0.9}), "objectives[x].latency"},
		"bound without share":     {objectiveOf(perf.Objective{Latency: time.Second}), "objectives[x].latency_share"},
		"bound beyond histograms": {objectiveOf(perf.Objective{Latency: time.Hour, LatencyShare: 0.9}), "objectives[x].latency"},
		"period of a second":      {objectiveOf(perf.Objective{Success: 0.9, Period: time.Second}), "objectives[x].period"},
		"empty threshold":         {thresholdOf(perf.Threshold{For: 2}), "thresholds[x].p99"},
		"p99 below p50":           {thresholdOf(perf.Threshold{P50: time.Second, P99: time.Millisecond}), "thresholds[x].p99"},
		"negative p99":            {thresholdOf(perf.Threshold{P99: -time.Millisecond}), "thresholds[x].p99"},
		"all may fail":            {thresholdOf(perf.Threshold{Errors: 1}), "thresholds[x].errors"},
		"rates crossed":           {thresholdOf(perf.Threshold{MinRate: 5, MaxRate: 4}), "thresholds[x].max_rate"},
		"4 of 3":                  {thresholdOf(perf.Threshold{Errors: 0.1, For: 4, Of: 3}), "thresholds[x].for"},
		"of 100":                  {thresholdOf(perf.Threshold{Errors: 0.1, Of: 100}), "thresholds[x].of"},
		"no name":                 {perf.Config{Thresholds: map[string]perf.Threshold{"": {Errors: 0.1}}}, "thresholds[]"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := problemsOf(t, tt.c.Validate())
			if len(problems) != 1 || problems[0].Field != tt.field || problems[0].Message == "" {
				t.Errorf("want one of %s:\n%v", tt.field, problems)
			}
			if _, err := perf.New(tt.c, perf.Options{}); err == nil {
				t.Error("it makes a monitor")
			}
		})
	}
}

func objectiveOf(o perf.Objective) perf.Config {
	return perf.Config{Objectives: map[string]perf.Objective{"x": o}}
}

func thresholdOf(o perf.Threshold) perf.Config {
	return perf.Config{Thresholds: map[string]perf.Threshold{"x": o}}
}
