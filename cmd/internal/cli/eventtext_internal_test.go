package cli

import (
	"encoding/json"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestEventTextOfTheMonitors(t *testing.T) {
	for _, tt := range []struct{ kind, data, want string }{
		{
			"performance_monitor.alert_triggered",
			`{"against":0.018,"calls":41,"cause":"baseline","kind":"latency","measure":"latency","seen":0.333,"severe":true,"text":"latency 334ms, normal is 18.9ms"}`,
			"latency 334ms, normal is 18.9ms, calls 41, severe",
		},
		{
			"memory_manager.pressure_changed",
			`{"cause":"simulated by ops: drill","from":"normal","limit":1073741824,"ratio":0.03,"simulated":true,"source":"machine","to":"high","used":33554432}`,
			"normal → high, simulated by ops: drill, source machine, limit 1.0 GiB, 3.0 %, simulated, used 32.0 MiB",
		},
		{"memory_manager.cleanup_executed", `{"freed":1048576,"took_seconds":0.5}`, "freed 1.0 MiB, took 500ms"},
		{"health_aggregator.status_changed", `{"output":"connect: connection refused","score":30,"to":"fail"}`, "to fail, output connect: connection refused, score 30"},
	} {
		e := adminapi.Event{Type: tt.kind, Data: json.RawMessage(tt.data)}
		if got := eventText(&e); got != tt.want {
			t.Errorf("%s:\n%s, want\n%s", tt.kind, got, tt.want)
		}
	}
}
