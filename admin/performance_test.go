package admin_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// withAlert is an API over a layer in which the operation "import" fails.
func withAlert(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRigWith(t, nil, &config.Performance{Config: perf.Config{
			Tick: time.Second, Hold: time.Second,
			Thresholds: map[string]perf.Threshold{"op:import": {Errors: 0.1, P99: 250 * time.Millisecond}},
			Objectives: map[string]perf.Objective{"checkout": {Success: 0.99}},
		}})
		op := r.layer.Performance().Operation("import")
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		for range 8 {
			for i := range 20 {
				op.Record(20*time.Millisecond, outcome.Outcome(i%2))
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		test(r)
	})
}

func TestOperations_AreShownWithTheirAlerts(t *testing.T) {
	withAlert(t, func(r *rig) {
		var all adminapi.List[adminapi.Operation]
		if code := r.ask(http.MethodGet, "/v1/operations", "", &all); code != http.StatusOK || len(all.Items) != 2 {
			t.Fatalf("%d %+v", code, all)
		}
		o := all.Items[0]
		if o.Name != "op:import" || o.State != "alerting" || o.Failed != 80 || o.Succeeded != 80 || o.ErrorRatio != 0.5 || o.P50Seconds < 0.018 || o.P50Seconds > 0.022 || o.QuantileError > 0.07 || o.Rate < 15 || o.Threshold != "p99 ≤ 250ms, errors ≤ 0.1" {
			t.Errorf("%+v", o)
		}
		if len(o.Alerts) != 1 || o.Alerts[0].Kind != "errors" || o.Alerts[0].Text != "errors 50 %, the bound is 10 %, in 3 of 5 ticks" || o.Alerts[0].Calls == 0 || o.Alerts[0].SinceSeconds <= 0 {
			t.Errorf("%+v", o.Alerts)
		}
		var one adminapi.Operation
		if code := r.ask(http.MethodGet, "/v1/operations/checkout?window=5m", "", &one); code != http.StatusOK || one.State != "idle" || len(one.Objectives) != 1 || one.Objectives[0].Target != 0.99 || one.Alerts == nil || one.Within == nil {
			t.Errorf("%d %+v", code, one)
		}
		for _, path := range []string{"/v1/operations/op:imprt", "/v1/series?name=op:imprt"} {
			var p adminapi.Problem
			if code := r.ask(http.MethodGet, path, "", &p); code != http.StatusNotFound || !strings.Contains(p.Error(), "op:import") {
				t.Errorf("%s: %d %v", path, code, p.Error())
			}
		}
		for _, path := range []string{"/v1/operations?window=2d", "/v1/operations?windo=1m", "/v1/operations/checkout?window=x", "/v1/operations?window=1m&window=2m"} {
			if code := r.ask(http.MethodGet, path, "", nil); code != http.StatusBadRequest {
				t.Errorf("%s: %d", path, code)
			}
		}
	})
}

func TestStatus_NamesTheAlertsWithTheirNumbers(t *testing.T) {
	withAlert(t, func(r *rig) {
		var s adminapi.Status
		r.ask(http.MethodGet, "/v1/status", "", &s)
		if s.Verdict != "attention" || len(s.Reasons) != 1 || !strings.HasPrefix(s.Reasons[0], "op:import fails more than it may: errors 50 %, the bound is 10 %, in 3 of 5 ticks, since 00:00:") || !strings.HasSuffix(s.Reasons[0], "see 'foundation get operations op:import'") {
			t.Errorf("%q", s.Reasons)
		}
		if p := s.Performance; !p.Running || p.Operations != 2 || p.Firing != 1 || len(p.Alerts) != 1 || p.Idle != 1 || p.TickSeconds != 1 {
			t.Errorf("%+v", p)
		}
	})
	var s adminapi.Status
	if newRig(t).ask(http.MethodGet, "/v1/status", "", &s); s.Performance.Running || s.Performance.Alerts == nil || s.Verdict != "ok" {
		t.Errorf("%+v", s.Performance)
	}
}

func TestAlerts_AreSilencedWithWhoAndWhy(t *testing.T) {
	withAlert(t, func(r *rig) {
		const path = "/v1/silences/op:import"
		for body, want := range map[string]int{
			`{"for_seconds":60}`:                            http.StatusBadRequest,
			`{"reason":"x"}`:                                http.StatusBadRequest,
			`{"reason":"x","for_seconds":1e300}`:            http.StatusBadRequest,
			`{"reason":"x","for_seconds":99999999}`:         http.StatusBadRequest,
			`{"reason":"x","for_seconds":60,"kind":"rate"}`: http.StatusBadRequest,
			`{"reason":"x","for_seconds":60,"until":""}`:    http.StatusBadRequest,
		} {
			if code := r.ask(http.MethodPut, path, body, nil); code != want {
				t.Errorf("%s: %d", body, code)
			}
		}
		if code := r.ask(http.MethodPut, "/v1/silences/nobody", `{"reason":"x","for_seconds":60}`, nil); code != http.StatusNotFound {
			t.Error(code)
		}
		var s adminapi.Silence
		if code := r.ask(http.MethodPut, path, `{"reason":"known","for_seconds":60,"kind":"errors"}`, &s); code != http.StatusOK || s.Actor != "ops" || s.RemainingSeconds != 60 || s.Kind != "errors" {
			t.Errorf("%d %+v", code, s)
		}
		time.Sleep(1500 * time.Millisecond)
		var alerts adminapi.List[adminapi.Alert]
		if r.ask(http.MethodGet, "/v1/alerts", "", &alerts); len(alerts.Items) != 1 || alerts.Items[0].State != "silenced" || alerts.Items[0].SilencedBy != "ops" || alerts.Items[0].SilenceReason != "known" {
			t.Errorf("%+v", alerts.Items)
		}
		var status adminapi.Status
		if r.ask(http.MethodGet, "/v1/status", "", &status); status.Verdict != "ok" {
			t.Errorf("%q", status.Reasons)
		}
		var silences adminapi.List[adminapi.Silence]
		if r.ask(http.MethodGet, "/v1/silences", "", &silences); len(silences.Items) != 1 {
			t.Errorf("%+v", silences)
		}
		if code := r.ask(http.MethodDelete, path, "", nil); code != http.StatusNotFound {
			t.Errorf("the silence of one kind ends with that of all: %d", code)
		}
		if code := r.ask(http.MethodDelete, path+"?kind=errors", "", &silences); code != http.StatusOK || len(silences.Items) != 0 {
			t.Errorf("%d %+v", code, silences)
		}
		if !strings.Contains(r.log.String(), `"reason":"known"`) {
			t.Error(r.log)
		}
	})
}

func TestSeries_AreAligned(t *testing.T) {
	withAlert(t, func(r *rig) {
		var s adminapi.Series
		if code := r.ask(http.MethodGet, "/v1/series?name=op:import&kind=calls&kind=p50&kind=errors&from=20s", "", &s); code != http.StatusOK || s.StepSeconds != 1 || len(s.Time) != 20 || len(s.Values) != 3 {
			t.Fatalf("%d %+v", code, s)
		}
		calls, empty := 0.0, 0
		for i := range s.Time {
			if i > 0 && s.Time[i] != s.Time[i-1]+1 {
				t.Errorf("%v", s.Time)
			}
			if v := s.Values["calls"][i]; v != nil {
				calls += *v
			}
			if s.Values["p50"][i] == nil {
				empty++
			}
		}
		if calls != 160 || empty != 12 {
			t.Errorf("%v calls, %d seconds without", calls, empty)
		}
		s = adminapi.Series{}
		if r.ask(http.MethodGet, "/v1/series?name=op:import&from=1h", "", &s); s.StepSeconds != 10 || len(s.Time) < 360 || len(s.Values) != 4 {
			t.Errorf("step %v, %d points", s.StepSeconds, len(s.Time))
		}
		for _, query := range []string{"", "name=op:import&kind=p77", "name=op:import&step=3s", "name=op:import&from=1m&to=2m", "name=op:import&from=1h&step=1s&to=x", "name=op:import&from=1000d&step=10s"} {
			if code := r.ask(http.MethodGet, "/v1/series?"+query, "", nil); code != http.StatusBadRequest {
				t.Errorf("%s: %d", query, code)
			}
		}
	})
}
