package adminapi_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// at is so many seconds before the frame of the example.
func at(ago float64) time.Time {
	return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC).Add(-time.Duration(ago * float64(time.Second)))
}

// exampleFrame is the incident of a quickstart, and one row of each other kind: what a page is
// built against.
func exampleFrame() adminapi.Frame {
	const never = 0
	return adminapi.Frame{
		APIVersion: adminapi.Version, Seq: 1796644800042, Full: true, At: at(0), Instance: "web-1", Namespace: "quickstart", Build: "foundation v0.1.0",
		StartedAt: at(3600), UptimeSeconds: 3600, Ready: true, Verdict: "attention",
		Findings: []adminapi.Finding{
			{
				Kind: "breaker", Name: "demo", Command: "foundation why breaker demo", Takes: []string{"guard demo", "route /"}, Since: at(192), SinceSeconds: 192,
				Text: "breaker demo is open for 3m12s: began 11:56:48Z with 3 failures within 1s (status_5xx); last probe failed 2s ago: status_5xx; it takes with it guard demo (62 % of 118 calls refused), route /",
			},
			{
				Kind: "config", Command: "foundation config status", Takes: []string{}, Since: at(63), SinceSeconds: 63,
				Text: "the reload at 11:58:57Z was refused, revision 3 stays in force: guards.demo.timeout: must be above 0",
			},
		},
		Score: 68, Deductions: []adminapi.Deduction{{Component: "breakers/demo", Points: 30, Why: "open"}, {Component: "inventory", Points: 2, Why: "warns"}},
		Totals: adminapi.FrameTotals{
			Of: "routes", WindowSeconds: 60, Rate: 1.967, NowRate: 2.2, FailedRate: 0.6833, RefusedRate: 1.217, InFlight: 3, NotClosed: 1,
			RefusedBy: []adminapi.ReasonRate{{Reason: "circuit_open", Rate: 1.15}, {Reason: "rate_limited", Rate: 0.067}},
		},
		Rows: exampleRows(never), Gone: []string{},
		Memory: adminapi.FrameMemory{
			Level: "high", Measured: "normal", Since: at(3600), Cause: "simulated", Source: "cgroup memory.max", Used: 201326592, Limit: 536870912, Ratio: 0.375,
			HeapLive: 33554432, GCCPU: 0.004, Refused: 17, Simulated: "high", Thresholds: []float64{0.75, 0.85, 0.95},
		},
		Health: adminapi.FrameHealth{
			Status: "warn", Live: true, Checks: 3, Failed: 0, Warned: 1,
			Roots: []adminapi.FrameCheck{{Name: "inventory", Status: "warn", Since: at(40), Output: "answered in 900ms", Criticality: "soft", Impacts: []string{}}},
		},
		Alerts: adminapi.FrameAlerts{
			Firing: 1, Silences: 1,
			Shown: []adminapi.FrameAlert{{Operation: "route:/", Kind: "errors", State: "firing", Severity: "error", Text: "errors 35 %, usually 0.2 %, in 3 of 5 ticks", Since: at(180)}},
		},
		Config: adminapi.ConfigStatus{
			Revision: 3, Source: "/etc/foundation/foundation.yaml", Drifted: true, AppliedAt: at(900), LastReloadAt: at(63), LastReloadSuccessAt: at(3600),
			LastReloadError: "guards.demo.timeout: must be above 0", LastReloadProblems: []fault.Problem{},
		},
		Overrides: []adminapi.FrameOverride{
			{Kind: "memory", State: "high", Actor: "local", Reason: "game day", Until: at(-25)},
			{Kind: "breaker", Name: "payments", State: "forced-closed", Actor: "ops", Reason: "provider is back", Since: at(420), Until: at(-180)},
			{Kind: "log_level", State: "debug", Actor: "ops", Reason: "look at the probes", Since: at(600)},
		},
		Storage: adminapi.FrameStorage{Kind: "memory", Newest: 4711}, Services: adminapi.FrameServices{Total: 4, Failing: []string{}},
		Switches: []adminapi.Switch{{Name: "upstream", Title: "Sample upstream", State: "failing", States: []string{"ok", "failing", "slow", "hanging", "gone"}}},
	}
}

func exampleRows(never float64) []adminapi.FrameRow {
	none := []adminapi.Fact{}
	return []adminapi.FrameRow{
		{
			ID: "breaker/demo", Kind: "breaker", Name: "demo", Level: "bad", Weight: 4_620_000_000_073, State: "open", Since: at(192), NextAt: at(-3), Mode: "enforce",
			WindowSeconds: 60, Calls: 118, Rate: 1.967, NowRate: 2.2, SuccessRatio: never, FailureRatio: 1, RefusedRate: 1.15, LastError: "status_5xx", LastErrorAt: at(2),
			Counted: []adminapi.Fact{{Name: "failures", Value: 3, Limit: 3, Bounded: true}, {Name: "window", Value: 10, Unit: "seconds"}},
		},
		{
			ID: "guard/demo", Kind: "guard", Name: "demo", Operation: "demo", Level: "bad", Weight: 4_620_000_000_073, State: "refuses", Since: at(192), Mode: "enforce", Share: 0.62, Reason: "circuit_open",
			WindowSeconds: 60, Calls: 118, Rate: 1.967, NowRate: 2.2, SuccessRatio: 0.089, FailureRatio: 0.911, RefusedRate: 1.217, P50Seconds: 0.0021, P95Seconds: 0.0043, P99Seconds: 0.0072,
			InFlight: 3, Limit: 64, LastError: "status_5xx", LastErrorAt: at(2), Counted: none,
		},
		{
			ID: "route//", Kind: "route", Name: "/", Of: "demo", Operation: "route:/", Level: "bad", Weight: 4_620_000_000_073, State: "refuses", Since: at(192), Share: 0.62, Reason: "circuit_open",
			WindowSeconds: 60, Calls: 118, Rate: 1.967, NowRate: 2.2, SuccessRatio: 0.089, FailureRatio: 0.911, RefusedRate: 1.217, P50Seconds: 0.0024, P95Seconds: 0.0048, P99Seconds: 0.0078,
			InFlight: 3, LastError: "status_5xx", LastErrorAt: at(2), Counted: none,
		},
		{
			ID: "pool/orders_db", Kind: "pool", Name: "orders_db", Operation: "pool:orders_db:wait", Level: "warn", Weight: 3_000_000_000_009, State: "overflow", WindowSeconds: 60, Calls: 300, Rate: 5, NowRate: 5.2,
			SuccessRatio: 1, P50Seconds: 0, P95Seconds: 0.004, P99Seconds: 0.012, InFlight: 6, Limit: 7, Waiting: 1, Counted: none,
		},
		{
			ID: "breaker/payments", Kind: "breaker", Name: "payments", Level: "warn", Weight: 3_000_000_000_000, State: "closed", Since: at(420), Override: "forced-closed", Until: at(-180), Mode: "enforce",
			WindowSeconds: 60, Calls: 612, Rate: 10.2, NowRate: 10.4, SuccessRatio: 0.992, FailureRatio: 0.008, FailureLimit: 0.5, SlowRatio: 0.02, SlowLimit: 0.8,
			Counted: []adminapi.Fact{{Name: "failure_ratio", Value: 0.008, Limit: 0.5, Bounded: true, Unit: "ratio"}, {Name: "slow_ratio", Value: 0.02, Limit: 0.8, Bounded: true, Unit: "ratio"}, {Name: "calls", Value: 102, Limit: 20, Bounded: true}},
		},
		{
			ID: "rate_limit/per_user", Kind: "rate_limit", Name: "per_user", Level: "ok", Weight: 1_033_000_000_004, State: "denies", Mode: "enforce", Share: 0.033, Reason: "rate_limited",
			WindowSeconds: 60, Calls: 118, Rate: 1.967, NowRate: 2.2, RefusedRate: 0.067, Limit: 5, PerSeconds: 60, Counted: none,
		},
		{ID: "guard/search", Kind: "guard", Name: "search", Operation: "search", Level: "idle", State: "idle", Mode: "enforce", Limit: 32, Counted: none},
	}
}

// TestExampleFrame_IsWhatAPageIsBuiltAgainst keeps the example in the form of the wire.
func TestExampleFrame_IsWhatAPageIsBuiltAgainst(t *testing.T) {
	got, err := json.MarshalIndent(exampleFrame(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", "frame.example.json")
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v; if the change is meant, run go test -update\n%s", err, got)
	}
	if bytes.Contains(got, []byte("null")) {
		t.Error("a list or a value is null")
	}
}
