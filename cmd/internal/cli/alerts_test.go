package cli_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func operations() []adminapi.Operation {
	return []adminapi.Operation{
		{
			Name: "checkout", Kind: "guard", State: "alerting", WindowSeconds: 60, Rate: 12.5, Succeeded: 700, Failed: 50, Refused: 3, ErrorRatio: 0.0667, MeanSeconds: 0.3,
			P50Seconds: 0.28, P90Seconds: 0.5, P95Seconds: 0.6, P99Seconds: 0.9, P999Seconds: 1.2, QuantileError: 0.0625,
			Normal: adminapi.Normal{LatencySeconds: 0.022, ErrorRatio: 0.001, Rate: 13}, Threshold: "p99 ≤ 250ms",
			Objectives: []adminapi.Objective{{Measure: "success", Target: 0.999, PeriodSeconds: 86400, Spent: 0.42, Burn: 20}}, Alerts: alerts()[:1],
		},
		{Name: "route:/pay/", Kind: "route", Within: []string{"checkout"}, State: "learning", WarmUpLeftSeconds: 250, Rate: 12.5, Alerts: alerts()[2:3]},
		{Name: "op:import", Kind: "operation", State: "idle", WarmUpLeftSeconds: 300},
	}
}

func alerts() []adminapi.Alert {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.Local)
	return []adminapi.Alert{
		{Operation: "checkout", Kind: "latency", State: "firing", Severity: "error", Cause: "baseline", SinceSeconds: 41, Calls: 410, Text: "latency 312ms, normal is 22ms"},
		{Operation: "search", Kind: "throughput", State: "firing", Severity: "warning", SinceSeconds: 90, Calls: 3, Text: "rate 0.1 calls/s, normal is 5 calls/s"},
		{Operation: "route:/pay/", Kind: "latency", State: "suppressed", Severity: "error", SinceSeconds: 40, Calls: 400, Text: "latency 313ms, normal is 22ms", SuppressedBy: "checkout"},
		{Operation: "maps", Kind: "errors", State: "silenced", Severity: "info", SinceSeconds: 7200, Calls: 99, Text: "errors 50 %, normal is 0.1 %", SilencedBy: "jo", SilenceReason: "the provider migrates", SilenceSeconds: 1200},
		{Operation: "orders", Kind: "errors", State: "resolved", Severity: "info", Since: at, ResolvedAt: at.Add(6 * time.Minute), Calls: 1234, Text: "errors 5 %, normal is 0.1 %"},
	}
}

func silences() []adminapi.Silence {
	return []adminapi.Silence{{Operation: "maps", Kind: "errors", Actor: "jo", Reason: "the provider migrates", RemainingSeconds: 1200}, {Operation: "op:import", Actor: "ops", Reason: "x", RemainingSeconds: 59}}
}

func TestSilence_NeedsAnEndAndAReason(t *testing.T) {
	addr, requests := daemon(t)
	for want, args := range map[string][]string{
		"needs an end":   {"alerts", "silence", "checkout", "--reason", "x"},
		"needs a reason": {"alerts", "silence", "checkout", "--for", "1h"},
		"NAME":           {"alerts", "silence", "--for", "1h"},
	} {
		got := run(t, nil, append(args, "--addr", addr)...)
		if got.code != cli.ExitUsage || !strings.Contains(got.err, want) || len(*requests) > 0 {
			t.Errorf("%v: %d %s", args, got.code, got.err)
		}
	}
}

// That no alert is on is good news only where somebody looks.
func TestAlerts_SaysThatNobodyLooks(t *testing.T) {
	for _, running := range []bool{true, false} {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /v1/alerts", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(adminapi.List[adminapi.Alert]{APIVersion: "v1", Items: alerts()[4:]})
		})
		mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(adminapi.Status{Performance: adminapi.Performance{Running: running}})
		})
		server := httptest.NewServer(mux)
		got := run(t, nil, "alerts", "--addr", strings.TrimPrefix(server.URL, "http://"))
		server.Close()
		if !strings.Contains(got.out, "no alert is on; 1 have ended") || strings.Contains(got.out, "does not run") == running {
			t.Errorf("running: %v: %s%s", running, got.out, got.err)
		}
	}
}

func TestAlerts_HidesThoseThatHaveEnded(t *testing.T) {
	addr, _ := daemon(t)
	if got := run(t, nil, "alerts", "--addr", addr); strings.Contains(got.out, "resolved") || !strings.Contains(got.out, "latency 312ms") {
		t.Error(got.out)
	}
}
