package perf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/perf"
)

// quick judges every second, and lets alerts end soon.
var quick = perf.Config{Tick: time.Second, Hold: 10 * time.Second}

var usual = traffic{rate: 50, median: 20 * time.Millisecond, errors: 0.001}

func TestMonitor_QuietHoursHaveNoAlert(t *testing.T) {
	run(t, perf.Config{}, perf.Options{}, func(k *kit) {
		k.seconds(4*3600, map[string]traffic{"checkout": {rate: 5, median: 20 * time.Millisecond, errors: 0.002}, "report": {rate: 0.3, median: time.Second}})
		k.wantAlerts(0, 0)
		if s := k.m.Status(); s.Normal != 2 || s.Learning != 0 || !s.Running {
			t.Errorf("%+v", s)
		}
	})
}

func TestMonitor_SlowCallsRaiseOneAlertThatResolves(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"checkout": usual})
		k.wantAlerts(0, 0)
		slow := usual
		slow.median *= 4
		k.seconds(60, map[string]traffic{"checkout": slow})
		k.wantAlerts(1, 0)
		e := k.triggered[0]
		if e.Operation != "op:checkout" || e.Kind != "latency" || e.Cause != "baseline" || e.Seen < 2*e.Against || e.Against < 0.02 || e.Calls == 0 || e.Since.IsZero() {
			t.Errorf("%+v", e)
		}
		alerts := k.m.Alerts()
		if len(alerts) != 1 || alerts[0].State != perf.Firing || alerts[0].Operation != "op:checkout" || alerts[0].Calls < 1000 {
			t.Errorf("%+v", alerts)
		}
		k.seconds(60, map[string]traffic{"checkout": usual})
		k.wantAlerts(1, 1)
		if r := k.resolved[0]; r.Accepted || r.Lasted < time.Minute || r.Kind != "latency" {
			t.Errorf("%+v", r)
		}
		if alerts := k.m.Alerts(); len(alerts) != 1 || alerts[0].State != perf.Resolved || alerts[0].ResolvedAt.IsZero() {
			t.Errorf("%+v", alerts)
		}
	})
}

func TestMonitor_FailuresRaiseOneAlertThatResolves(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"checkout": usual})
		failing := usual
		failing.errors = 0.3
		k.seconds(60, map[string]traffic{"checkout": failing})
		k.wantAlerts(1, 0)
		if e := k.triggered[0]; e.Kind != "errors" || e.Seen < 0.2 || e.Seen > 0.4 || e.Against > 0.01 || !strings.Contains(e.Text, "normal is") {
			t.Errorf("%+v", e)
		}
		k.seconds(60, map[string]traffic{"checkout": usual})
		k.wantAlerts(1, 1)
	})
}

func TestMonitor_FewerCallsRaiseAnAlert(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"checkout": usual})
		k.seconds(30, nil)
		k.wantAlerts(1, 0)
		if e := k.triggered[0]; e.Kind != "throughput" || e.Seen > 25 || e.Against < 40 || e.Severe {
			t.Errorf("%+v", e)
		}
	})
}

func TestMonitor_LearnsVisibly(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.m.Operation("idle")
		slow := usual
		slow.median *= 20
		k.seconds(20, map[string]traffic{"checkout": usual})
		k.seconds(5, map[string]traffic{"checkout": slow}) // nobody can tell yet
		k.wantAlerts(0, 0)
		idle, err := k.m.OperationStatus("op:idle", time.Minute)
		if err != nil || idle.State != perf.Idle {
			t.Errorf("%+v, %v", idle, err)
		}
		learning, err := k.m.OperationStatus("op:checkout", time.Minute)
		if err != nil || learning.State != perf.Learning || learning.WarmUpLeft <= 0 || learning.WarmUpLeft > 15*time.Second || learning.NormalLatency != 0 {
			t.Errorf("%+v, %v", learning, err)
		}
		k.seconds(120, map[string]traffic{"checkout": usual})
		normal, err := k.m.OperationStatus("op:checkout", time.Minute)
		if err != nil || normal.State != perf.Normal || normal.WarmUpLeft != 0 || normal.NormalLatency < 20*time.Millisecond || normal.NormalRate < 40 || normal.NormalErrors <= 0 {
			t.Errorf("%+v, %v", normal, err)
		}
	})
}

// An alert stands for those of the operations that are a part of its own.
func TestMonitor_OneAlertStandsForThoseBelow(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		all := map[string]traffic{"import": usual, "import.parse": usual, "import.parse.row": usual}
		k.seconds(120, all)
		for name, tr := range all {
			tr.errors = 0.5
			all[name] = tr
		}
		k.seconds(30, all)
		k.wantAlerts(1, 0)
		if e := k.triggered[0]; e.Operation != "op:import" {
			t.Errorf("%+v", e)
		}
		suppressed := map[string]string{}
		for _, a := range k.m.Alerts() {
			if a.State == perf.Suppressed {
				suppressed[a.Operation] = a.SuppressedBy
			}
		}
		if len(suppressed) != 2 || suppressed["op:import.parse"] != "op:import" || suppressed["op:import.parse.row"] != "op:import" {
			t.Errorf("%v", suppressed)
		}
		k.seconds(60, map[string]traffic{"import": usual, "import.parse": usual, "import.parse.row": usual})
		k.wantAlerts(1, 1)
	})
}

// What is below may take longer to be quiet again than what stands for it: that is no alert of
// its own.
func TestMonitor_WhatIsBelowMayEndLater(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"import": usual, "import.parse": usual})
		slow := usual
		slow.median *= 8
		k.seconds(40, map[string]traffic{"import": slow, "import.parse": slow})
		slightly := usual
		slightly.median = slightly.median * 11 / 10
		k.seconds(60, map[string]traffic{"import": usual, "import.parse": slightly})
		k.wantAlerts(1, 1)
	})
}

// What is below is told once it deviates alone.
func TestMonitor_TellsOfWhatIsBelowWhenItIsAlone(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"import": usual, "import.parse": usual})
		failing := usual
		failing.errors = 0.5
		k.seconds(30, map[string]traffic{"import": failing, "import.parse": failing})
		k.wantAlerts(1, 0)
		k.seconds(60, map[string]traffic{"import": usual, "import.parse": failing})
		k.wantAlerts(2, 1)
		if e := k.triggered[1]; e.Operation != "op:import.parse" {
			t.Errorf("%+v", e)
		}
	})
}

// A change of thresholds loses nothing: neither what is normal nor an alert.
func TestMonitor_ChangesOfSettingsKeepTheState(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"checkout": usual})
		c := quick
		c.MinEffect = 0.5
		c.Thresholds = map[string]perf.Threshold{"op:other-one": {Errors: 0.5}}
		if err := k.m.Reconfigure(c); err != nil {
			t.Fatal(err)
		}
		if s, err := k.m.OperationStatus("op:checkout", time.Minute); err != nil || s.State != perf.Normal {
			t.Fatalf("%+v, %v", s, err)
		}
		failing := usual
		failing.errors = 0.5
		k.seconds(20, map[string]traffic{"checkout": failing})
		k.wantAlerts(1, 0)
		if err := k.m.Reconfigure(quick); err != nil {
			t.Fatal(err)
		}
		k.seconds(20, map[string]traffic{"checkout": failing})
		k.wantAlerts(1, 0)
		k.seconds(60, map[string]traffic{"checkout": usual})
		k.wantAlerts(1, 1)
	})
}

func TestMonitor_AnotherTickLearnsAnew(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"checkout": usual})
		c := quick
		c.Tick = 2 * time.Second
		if err := k.m.Reconfigure(c); err != nil {
			t.Fatal(err)
		}
		k.seconds(4, map[string]traffic{"checkout": usual})
		if s, err := k.m.OperationStatus("op:checkout", time.Minute); err != nil || s.State != perf.Learning {
			t.Fatalf("%+v, %v", s, err)
		}
		k.seconds(120, map[string]traffic{"checkout": usual})
		k.wantAlerts(0, 0)
	})
}

// The service may be stopped and started: nothing is judged in between, and what was counted
// then is no burst of the first second.
func TestMonitor_APauseIsNoBurst(t *testing.T) {
	run(t, quick, perf.Options{}, func(k *kit) {
		k.seconds(120, map[string]traffic{"checkout": usual})
		k.stop()
		failing := usual
		failing.errors = 0.9
		k.seconds(30, map[string]traffic{"checkout": failing})
		k.serve()
		k.seconds(60, map[string]traffic{"checkout": usual})
		k.wantAlerts(0, 0)
	})
}
