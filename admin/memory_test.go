package admin_test

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestMemory_IsShownAndSimulated(t *testing.T) {
	r := recording(t)
	var m adminapi.Memory
	if code := r.ask(http.MethodGet, "/v1/memory", "", &m); code != http.StatusOK || m.Level != "off" || m.Limits == nil || m.Cleaners == nil {
		t.Errorf("%d %+v", code, m)
	}
	if code := r.ask(http.MethodPost, "/v1/memory/simulate", `{"level":"high","for_seconds":30,"reason":"x"}`, nil); code != http.StatusNotFound {
		t.Errorf("without the section: %d", code)
	}
	_, err := r.layer.Config().Edit(t.Context(), func(c *config.Config) error { c.Memory = &config.Memory{}; return nil }, config.By{})
	if err != nil {
		t.Fatal(err)
	}
	for m.Samples == 0 { // as soon as the service has run
		r.ask(http.MethodGet, "/v1/memory", "", &m)
		runtime.Gosched()
	}
	if m.Level == "off" || len(m.Priorities) != 4 || len(m.Levels) != 3 || m.Levels[1].Enter != 0.85 || m.Heap.Mapped == 0 || m.DwellSeconds != 3 || len(m.Cleaners) != 5 {
		t.Errorf("%+v", m)
	}
	for body, want := range map[string]int{
		`{}`: 400, `{"level":"high","for_seconds":30}`: 400, `{"level":"unknown","for_seconds":30,"reason":"x"}`: 400, `{"level":"worse","for_seconds":30,"reason":"x"}`: 400,
		`{"level":"high","for_seconds":0,"reason":"x"}`: 400, `{"level":"high","for_seconds":1e300,"reason":"x"}`: 400, `{"level":"high","for_seconds":-1,"reason":"x"}`: 400,
		`{"level":"high","for_seconds":30,"reason":"` + strings.Repeat("x", 2000) + `"}`: 400, `{"level":"high","for":30,"reason":"x"}`: 400,
	} {
		if code := r.ask(http.MethodPost, "/v1/memory/simulate", body, nil); code != want {
			t.Errorf("%s: %d", body, code)
		}
	}
	if code := r.ask(http.MethodPost, "/v1/memory/simulate", `{"level":"critical","for_seconds":60,"reason":"a drill"}`, &m); code != http.StatusOK || m.Simulation.Level != "critical" || m.Simulation.Actor != "ops" || m.Simulation.RemainingSeconds < 50 {
		t.Errorf("%d %+v", code, m.Simulation)
	}
	for m.Level != "critical" {
		r.ask(http.MethodGet, "/v1/memory", "", &m)
		runtime.Gosched()
	}
	var s adminapi.Status
	r.ask(http.MethodGet, "/v1/status", "", &s)
	want := `memory pressure is critical (simulated by ops: a drill), calls are refused: all normal, all best_effort, all bulk; see 'foundation why memory'`
	if s.Verdict != "attention" || len(s.Reasons) == 0 || s.Reasons[0] != want {
		t.Errorf("%s: %q", s.Verdict, s.Reasons)
	}
	if code := r.ask(http.MethodPost, "/v1/memory/simulate", `{"level":"normal","reason":"it is over"}`, &m); code != http.StatusOK || m.Simulation.Level != "" {
		t.Errorf("%d %+v", code, m.Simulation)
	}
	if log := r.log.String(); !strings.Contains(log, "a drill") || !strings.Contains(log, "it is over") {
		t.Errorf("the log is %s", log)
	}
}
