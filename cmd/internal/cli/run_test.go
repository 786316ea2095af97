package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/internal/adminapi"
)

var update = flag.Bool("update", false, "write the golden files")

// terminal is what a command wrote.
type terminal struct {
	out, err string
	code     int
}

// run runs a command line as a user would, with an environment of its own.
func run(t *testing.T, env map[string]string, args ...string) terminal {
	t.Helper()
	var out, errs strings.Builder
	code := cli.Run(t.Context(), cli.Env{
		Stdout: &out, Stderr: &errs, Program: "foundation",
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}, args)
	http.DefaultClient.CloseIdleConnections()
	return terminal{out.String(), errs.String(), code}
}

// canned is a daemon in the middle of an incident.
func canned() adminapi.Status {
	return adminapi.Status{
		APIVersion: "v1", Verdict: "attention", Reasons: []string{
			"the storage is away since 12:00:00Z (5m0s): the directory /data is in use by process 17; 12 events wait for it; see 'foundation get services'",
			"breaker payments is open for 13s: began 12:04:47Z with 5 failures within 10s (call_timeout); it takes with it guard checkout (98 % of 1204 calls refused), route pay; see 'foundation why breaker payments'",
		},
		Findings: []adminapi.Finding{
			{Text: "the storage is away since 12:00:00Z (5m): the directory /data is in use by process 17; 12 events wait for it", Command: "foundation get services"},
			{
				Kind: "breaker", Name: "payments", Command: "foundation why breaker payments", Takes: []string{"guard checkout", "route pay"},
				Text: "breaker payments is open for 13s: began 12:04:47Z with 5 failures within 10s (call_timeout); it takes with it guard checkout (98 % of 1204 calls refused), route pay",
			},
		},
		Routes: []adminapi.Route{
			{
				Name: "orders", Match: "/orders/", InFlight: 2, MaxBody: 16384, BytesIn: 3 << 20, BytesOut: 700, Requests: map[string]uint64{"1xx": 0, "2xx": 9000, "3xx": 1, "4xx": 1959, "5xx": 3, "canceled": 1}, Refused: 1822,
				RefusedBy: map[string]uint64{"body_too_large": 1819, "bad_request": 3, "rate_limited": 0}, CutBy: map[string]uint64{"client": 1, "upstream": 2}, NotReading: 1,
				Failures: []adminapi.UpstreamFailure{{Class: "status_5xx", Count: 3, Reason: "the answer has status 503"}}, Recent: adminapi.Recent{
					Source: "minute", WindowSeconds: 60, Calls: 3692, Rate: 61.5, Succeeded: 1750, Refused: 1822, Trouble: "refuses", Share: 0.49, Reason: "body_too_large", P50Seconds: 0.0123, P99Seconds: 1.5,
					RefusedBy: map[string]uint64{"body_too_large": 1819, "bad_request": 3}, FailedBy: map[string]uint64{}, IgnoredBy: map[string]uint64{"4xx": 120}, Requests: map[string]uint64{"2xx": 1750, "4xx": 1942},
				},
			},
			{Name: "pay", Match: "/pay/", Guard: "checkout", InFlight: 3, Upstreams: []adminapi.Upstream{
				{Name: "10.0.0.2:80", Route: "pay", State: "ejected", SinceSeconds: 12.3, RemainingSeconds: 7.7, Requests: 1204, Failures: 5, Ejections: 1, ConsecutiveFailures: 5, LastError: adminapi.UpstreamError{Class: "refused", Reason: "connection refused"}},
				{Name: "10.0.0.3:80", Route: "pay", State: "check_failed", SinceSeconds: 93784, Requests: 7, Check: "the answer is 503"},
				{Name: "[2001:db8::1]:8443", Route: "pay", State: "slow_start", SinceSeconds: 3, Share: 0.31, InFlight: 1, Requests: 13},
				{Name: "10.0.0.1:80", Route: "pay", State: "active", SinceSeconds: 93784, Share: 1, InFlight: 2, Requests: 123456},
			}, Recent: adminapi.Recent{
				Source: "minute", WindowSeconds: 64, Calls: 1204, Rate: 18.8, Succeeded: 20, Failed: 1, TimedOut: 3, Refused: 1180, Trouble: "refuses", Share: 0.98,
				RefusedBy: map[string]uint64{"circuit_open": 1180}, FailedBy: map[string]uint64{"timeout": 3}, P50Seconds: 0.0123, P99Seconds: 1.5,
			}},
			{Name: "/a/very/long/path/of/a/route/that/nobody/has/given/a/name/and/that/goes/on/and/on/{id}/details", Match: "/a/", InFlight: 123456, Recent: adminapi.Recent{
				Source: "minute", WindowSeconds: 64, Calls: 7200, Rate: 112.5, Succeeded: 7199, Canceled: 1, RefusedBy: map[string]uint64{}, FailedBy: map[string]uint64{}, P50Seconds: 0.0123, P99Seconds: 1.5,
			}},
		},
		Storage: adminapi.Storage{Kind: "path", Durable: true, Away: "the directory /data is in use by process 17", Events: 1234, Bytes: 400 << 10, Waiting: 12, Dropped: 3},
		Services: []adminapi.Service{
			{Name: "mailer", State: "backing_off", SinceSeconds: 3, Incarnation: 7, Failures: 2, TotalFailures: 6, RetryAfterSeconds: 1.5, LastError: "no route to host"},
			{Name: "recorder", State: "running", SinceSeconds: 93784, Incarnation: 1},
			{Name: "storage", State: "completed", SinceSeconds: 93784, Incarnation: 1},
		},
		Memory: adminapi.Memory{
			APIVersion: "v1", Level: "high", Measured: "high", SinceSeconds: 12, Cause: "86 % of the limit is used, from 85 % on it is high", Samples: 99,
			Limits:     []adminapi.Limit{{Source: "cgroup /sys/fs/cgroup", Used: 880 << 20, Limit: 1 << 30, Ratio: 0.859}, {Source: "go", Used: 600 << 20, Limit: 900 << 20, Ratio: 0.667}},
			Priorities: []adminapi.Shedding{{Priority: "critical"}, {Priority: "normal"}, {Priority: "best_effort", Refused: 0.19, Shed: 123}, {Priority: "bulk", Refused: 1, Shed: 4567}},
			Levels:     []adminapi.Threshold{{Level: "elevated", Enter: 0.75, Exit: 0.7}, {Level: "high", Enter: 0.85, Exit: 0.78}, {Level: "critical", Enter: 0.95, Exit: 0.88}},
			Heap:       adminapi.Heap{Live: 400 << 20, Goal: 800 << 20, Objects: 700 << 20, Mapped: 840 << 20, GCCPU: 0.043}, Stalls: adminapi.Stalls{Known: true, Some: 3.5},
			Unread:     []string{"/sys/fs/cgroup/memory.stat: cannot be understood"},
			Simulation: adminapi.Simulation{Level: "elevated", Actor: "ops", Reason: "a drill", RemainingSeconds: 30},
			Cleaners: []adminapi.CleanerRow{
				{Name: "rate_limits", MinLevel: "elevated", Runs: 3, Freed: 5 << 20, LastAt: time.Unix(1, 0), LastAgoSeconds: 7, LastFreed: 1 << 20, LastMeasured: 2 << 20, LastTookSeconds: 0.002, CooldownSeconds: 10},
				{Name: "go_heap", MinLevel: "high", CooldownSeconds: 0},
			},
		},
		LogLevel: adminapi.LogLevel{APIVersion: "v1", Level: "debug", Configured: "info", Actor: "ops", Reason: "to see more", RemainingSeconds: 570},
		Build:    "foundation v1.2.3", Namespace: "production", UptimeSeconds: 93784, Ready: true,
		Config:    adminapi.ConfigStatus{Revision: 7, LastReloadSuccessful: true},
		Listeners: []adminapi.Listener{{Name: "gateway", Address: "10.0.0.1:8443", TLS: true}, {Name: "admin", Address: "127.0.0.1:9181"}},
		Guards: []adminapi.Guard{
			{Name: "checkout", Mode: "enforce", InFlight: 3, Concurrency: 64, Succeeded: 123456, Failed: 42, Refused: 8, P50Seconds: 0.0123, P99Seconds: 1.5, RefusedBy: map[string]uint64{"rate_limited": 3, "circuit_open": 5, "pool_full": 0}, Recent: adminapi.Recent{
				Source: "minute", WindowSeconds: 64, Calls: 1204, Rate: 18.8, Succeeded: 20, Failed: 1, TimedOut: 3, Refused: 1180, Trouble: "refuses", Share: 0.98,
				RefusedBy: map[string]uint64{"circuit_open": 1170, "rate_limited": 10, "pool_full": 0}, FailedBy: map[string]uint64{}, P50Seconds: 0.0123, P99Seconds: 1.5,
			}},
			{Name: "search", Mode: "shadow", Succeeded: 9, WouldRefuse: 2, Recent: adminapi.Recent{Source: "minute", WindowSeconds: 64, Trouble: "slow", Calls: 9, Succeeded: 9}},
		},
		Breakers: []adminapi.Breaker{
			{Name: "payments", Mode: "enforce", State: "open", SinceSeconds: 12.7, RetryAfterSeconds: 17.3, OpenedBy: []adminapi.Fact{{Name: "failures", Value: 5, Limit: 5, Bounded: true}}, Failed: 42, Refused: 5, LastErrors: []adminapi.ErrorClass{{Class: "call_timeout"}}},
			{Name: "maps", Mode: "enforce", State: "closed", SinceSeconds: 93784, Override: adminapi.Override{State: "forced-closed", RemainingSeconds: 420}},
			{Name: "per_host", Mode: "enforce", State: "closed", Group: true, MemberCount: 12, MaxMembers: 1024},
		},
		RateLimits: []adminapi.RateLimit{
			{Name: "per_client", Mode: "enforce", Algorithm: "gcra", Limit: 100, PerSeconds: 60, Burst: 20, Keys: 1234, Allowed: 99, Denied: 3, Parent: "all", Overrides: 3, TopDenied: []adminapi.DeniedKey{{Key: "10.1.2.3", Denied: 2}, {Key: "evil\x1b[2J", Denied: 1}}},
		},
		Pools: []adminapi.Pool{
			{Name: "orders", Worker: "postgres", State: "full", Size: 5, MaxOverflow: 2, CheckedOut: 7, Waiting: 3, Timeouts: 1, WaitP99Seconds: 0.2, OldestCheckoutSeconds: 3},
		},
	}
}

// explained is what is wrong with a part.
func explained() adminapi.Why {
	at := time.Date(2026, 11, 23, 12, 4, 47, 0, time.UTC)
	return adminapi.Why{
		APIVersion: "v1", Kind: "breaker", Name: "payments", At: at.Add(13 * time.Second), Since: at, SinceSeconds: 13,
		Verdict: "breaker payments is open for 13s: began 12:04:47Z with 62 % of 118 calls failed (tls); it takes with it guard checkout (98 % of 1204 calls refused), route pay",
		Numbers: []adminapi.Number{
			{Name: "failure ratio", Value: 0.62, Limit: 0.5, Bounded: true, Unit: "ratio", Bad: true, Note: "when it opened"},
			{Name: "calls", Value: 118, Limit: 20, Bounded: true},
			{Name: "rate", Value: 18.81, Unit: "per_second"},
			{Name: "retry in", Value: 17.3, Unit: "seconds", Note: "when the next call is let through as a probe, as is said here in so many words that they have no place"},
		},
		Parts:   []adminapi.WhyPart{{Kind: "guard", Name: "checkout", State: "98 % of 1204 calls refused (circuit_open)"}, {Kind: "rate_limit", Name: "per_client", Well: true, State: "5 per 1s for each key"}},
		Errors:  []adminapi.WhyError{{Class: "tls", Count: 73, Last: at, AgoSeconds: 13, Where: "route pay", Detail: "tls: the certificate of \"pay.example\" has expired: it was valid until 2026-11-20T00:00:00Z, which is three days ago"}},
		Holders: []adminapi.Holder{{Kind: "route", Name: "pay", Held: 10, OldestSeconds: 31}},
		Denied:  []adminapi.Denied{{Key: "10.0.0.9\x1b[2J", Denied: 95, Share: 0.95, AgoSeconds: 1}},
		Before: []adminapi.Before{
			{At: at.Add(-5 * time.Minute), EarlierSeconds: 300, What: "revision", Name: "7", Actor: "ops", Text: "breakers.payments changed: window 5s → 10s (\"calm down\")"},
			{At: at.Add(-29 * time.Minute), EarlierSeconds: 1740, What: "annotation", Name: "shop", Actor: "ci", Text: "deploy.finished shop: version 1.2.3"},
		},
		BeforeNote: "the events cannot be read: it is a test",
		Try:        []adminapi.Try{{Text: "look at its certificate"}, {Command: "foundation breaker reset payments", Text: "close it at once"}},
	}
}

// revisions are a history, newest first.
func revisions() []adminapi.Revision {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	return []adminapi.Revision{
		{Seq: 9, Revision: 4, At: at.Add(time.Minute), Actor: "ops", Reason: "calm down", Source: "api", Outcome: "applied", Changes: []string{"breakers.payments: window 5s → 10s"}, YAML: "version: 1\nbreakers:\n  payments: { window: 10s }\n"},
		{Seq: 8, Revision: 3, At: at, Source: "/etc/foundation.yaml", Outcome: "applied", Changes: []string{"a", "b", "c"}, YAML: "version: 1\nbreakers:\n  payments: { window: 5s }\n"},
		{Seq: 7, Revision: 2, At: at, Actor: "ops", Source: "api", Outcome: "refused", Error: "window must be positive", Changes: []string{}},
	}
}

// daemon answers as the admin API does, with what is canned, and notes requests.
func daemon(t *testing.T) (addr string, requests *[]string) {
	t.Helper()
	s := canned()
	var seen []string
	reply := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var body bytes.Buffer
			_, _ = body.ReadFrom(r.Body)
			seen = append(seen, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+body.String()))
			_ = json.NewEncoder(w).Encode(v)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", reply(s))
	mux.HandleFunc("GET /v1/frame", reply(watched()))
	mux.HandleFunc("GET /v1/why/{kind}/{name}", reply(explained()))
	mux.HandleFunc("GET /v1/why/{name}", reply(explained()))
	mux.HandleFunc("GET /v1/config/history", reply(adminapi.List[adminapi.Revision]{APIVersion: "v1", Items: revisions()}))
	mux.HandleFunc("GET /v1/config/history/3", reply(revisions()[1]))
	mux.HandleFunc("GET /v1/config/history/4", reply(revisions()[0]))
	mux.HandleFunc("POST /v1/config/rollback", reply(adminapi.Applied{Revision: 5, Changes: []adminapi.Change{}}))
	mux.HandleFunc("GET /v1/health", reply(sick()))
	mux.HandleFunc("GET /v1/health/{name...}", reply(sick().Components[0]))
	mux.HandleFunc("GET /v1/memory", reply(s.Memory))
	mux.HandleFunc("POST /v1/memory/simulate", reply(s.Memory))
	level := adminapi.LogLevel{APIVersion: "v1", Level: "debug", Configured: "info", Actor: "ops", Reason: "to see more", RemainingSeconds: 570}
	mux.HandleFunc("GET /v1/log_level", reply(level))
	mux.HandleFunc("PUT /v1/log_level", reply(level))
	mux.HandleFunc("GET /v1/services", reply(adminapi.List[adminapi.Service]{APIVersion: "v1", Items: s.Services}))
	mux.HandleFunc("POST /v1/services/{name}/restart", reply(s.Services[0]))
	mux.HandleFunc("GET /v1/events", reply(adminapi.Events{APIVersion: "v1", Items: events(), Next: 3, More: true}))
	mux.HandleFunc("GET /v1/upstreams", reply(adminapi.List[adminapi.Upstream]{APIVersion: "v1", Items: s.Routes[1].Upstreams}))
	mux.HandleFunc("GET /v1/upstreams/{name...}", reply(s.Routes[1].Upstreams[0]))
	mux.HandleFunc("GET /v1/routes", reply(adminapi.List[adminapi.Route]{APIVersion: "v1", Items: s.Routes[:2]}))
	mux.HandleFunc("GET /v1/routes/{name}", reply(s.Routes[0]))
	mux.HandleFunc("GET /v1/breakers", reply(adminapi.List[adminapi.Breaker]{APIVersion: "v1", Items: s.Breakers}))
	mux.HandleFunc("GET /v1/pools", reply(adminapi.List[adminapi.Pool]{APIVersion: "v1", Items: []adminapi.Pool{}}))
	mux.HandleFunc("GET /v1/guards/{name}", reply(s.Guards[0]))
	mux.HandleFunc("/v1/breakers/{name}/{action}", reply(s.Breakers[1]))
	mux.HandleFunc("/v1/rate_limits/{name}/keys/{key...}", reply(adminapi.Decision{Rule: "per_client", Key: "a", Allowed: true, Limit: 5, Remaining: 5, Source: "exempt", Override: &adminapi.KeyOverride{Exempt: true}}))
	mux.HandleFunc("POST /v1/check", reply(adminapi.Decision{
		Rule: "per_client", Key: "203.0.113.17", Limit: 200, RetryAfterSeconds: 11.2, ResetAfterSeconds: 60, Source: "prefetched",
		Override: &adminapi.KeyOverride{Limit: 1000, PerSeconds: 3600, Burst: 200},
	}))
	mux.HandleFunc("GET /v1/rate_limits/{name}", reply(s.RateLimits[0]))
	mux.HandleFunc("POST /v1/reload", reply(adminapi.Applied{Revision: 8, Changes: []adminapi.Change{{Section: "rate_limits", Name: "per_client", Action: "changed", Fields: []adminapi.FieldChange{{Path: "rate_limits.per_client.limit", Field: "limit", Old: "100", New: "50"}}, Effect: "keys keep what they used"}}}))
	mux.HandleFunc("GET /v1/operations", reply(adminapi.List[adminapi.Operation]{APIVersion: "v1", Items: operations()}))
	mux.HandleFunc("GET /v1/operations/{name}", reply(operations()[0]))
	mux.HandleFunc("GET /v1/alerts", reply(adminapi.List[adminapi.Alert]{APIVersion: "v1", Items: alerts()}))
	mux.HandleFunc("GET /v1/silences", reply(adminapi.List[adminapi.Silence]{APIVersion: "v1", Items: silences()}))
	mux.HandleFunc("PUT /v1/silences/{name}", reply(silences()[0]))
	mux.HandleFunc("DELETE /v1/silences/{name}", reply(adminapi.List[adminapi.Silence]{APIVersion: "v1"}))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("GET /healthz/{group}", reply(map[string]string{"status": "pass"}))
	mux.HandleFunc("GET /livez", reply(map[string]string{"status": "pass"}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), &seen
}

// golden compares with a file, so that a change of what people see is seen.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got {
		t.Errorf("%s: %v; got\n%s", file, err, got)
	}
}

func TestWhatPeopleSee(t *testing.T) {
	addr, _ := daemon(t)
	for file, args := range map[string][]string{
		"status.txt":       {"status"},
		"status.yaml":      {"status", "-o", "yaml"},
		"why.txt":          {"why", "breaker", "payments"},
		"get_routes.txt":   {"get", "routes"},
		"get_hosts.txt":    {"get", "upstreams"},
		"get_host.txt":     {"get", "upstream", "10.0.0.2:80"},
		"get_route.txt":    {"get", "route", "orders"},
		"get_breakers.txt": {"get", "breakers"},
		"get_guard.txt":    {"get", "guard", "checkout"},
		"get_pools.txt":    {"get", "pools"},
		"get_services.txt": {"get", "services"},
		"operations.txt":   {"get", "operations"},
		"operation.txt":    {"get", "operation", "checkout"},
		"alerts.txt":       {"alerts", "--all"},
		"silences.txt":     {"alerts", "silences"},
		"get_health.txt":   {"get", "health"},
		"get_check.txt":    {"get", "health", "orders_db"},
		"get_memory.txt":   {"get", "memory"},
		"history.txt":      {"config", "history"},
		"show.txt":         {"config", "show", "3"},
		"diff.txt":         {"config", "diff", "3", "4"},
		"reload.txt":       {"reload"},
		"check.txt":        {"check", "per_client", "a"},
		"peek.txt":         {"rate-limit", "peek", "per_client", "a"},
		"get_limit.txt":    {"get", "rate_limit", "per_client"},
	} {
		got := run(t, map[string]string{"FOUNDATION_ADDR": addr}, args...)
		if want := map[bool]int{true: cli.ExitFailure}[file == "check.txt"]; got.code != want || got.err != "" {
			t.Errorf("%v: exit code %d, %s", args, got.code, got.err)
		}
		golden(t, file, got.out)
		if args[0] == "why" || args[0] == "check" || args[0] == "rate-limit" || args[0] == "status" && len(args) == 1 {
			wantNarrow(t, got.out)
		}
	}
}

// wantNarrow fails if a line is wider than a terminal of a hundred columns.
func wantNarrow(t *testing.T, page string) {
	t.Helper()
	for line := range strings.Lines(page) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestJSONIsTheWireFormat(t *testing.T) {
	addr, _ := daemon(t)
	got := run(t, nil, "status", "-o", "json", "--addr", addr)
	var back adminapi.Status
	if err := json.Unmarshal([]byte(got.out), &back); err != nil || back.Guards[0].Succeeded != 123456 {
		t.Errorf("%v %s", err, got.out)
	}
}

func TestCommandsAskTheDaemon(t *testing.T) {
	addr, requests := daemon(t)
	for want, args := range map[string][]string{
		`PUT /v1/breakers/maps/override {"state":"forced-open","reason":"why not","for_seconds":3600}`: {"breaker", "force-open", "maps", "--for", "1h", "--reason", "why not"},
		`PUT /v1/breakers/maps/override {"state":"forced-closed","reason":"x","for_seconds":0}`:        {"breaker", "force-closed", "maps", "--reason", "x"},
		`DELETE /v1/breakers/maps/override {}`:                                                         {"breaker", "auto", "maps"},
		`POST /v1/breakers/maps/reset {}`:                                                              {"breaker", "reset", "maps"},
		`GET /v1/rate_limits/per_client/keys/org%2Fuser`:                                               {"rate-limit", "peek", "per_client", "org/user"},
		`DELETE /v1/rate_limits/per_client/keys/a%20b {}`:                                              {"rate-limit", "reset", "per_client", "a b"},
		`POST /v1/check {"rule":"r","key":"k","take":3}`:                                               {"check", "r", "k", "--take", "3"},
		`POST /v1/services/mailer/restart {"reason":"x"}`:                                              {"service", "restart", "mailer", "--reason", "x"},
		`GET /v1/events?component=a&component=b&limit=7&name=n&order=descending&severity=warning&since=15m&type=x.%2A&until=1m`: {
			"events", "--since", "15m", "--until", "1m", "--type", "x.*", "--severity", "warning", "--name", "n", "--component", "a", "--component", "b", "-n", "7",
		},
		`PUT /v1/silences/route:%2Fpay%2F {"kind":"latency","for_seconds":3600,"reason":"x"}`: {"alerts", "silence", "route:/pay/", "--kind", "latency", "--for", "1h", "--reason", "x"},
		`DELETE /v1/silences/checkout?kind=errors {}`:                                         {"alerts", "unsilence", "checkout", "--kind", "errors"},
		`GET /v1/alerts`: {"alerts"},
		`POST /v1/config/rollback {"revision":3,"reason":"x"}`: {"config", "rollback", "3", "--reason", "x"},
		`POST /v1/reload {"reason":"x","discard_drift":true}`:  {"reload", "--discard-drift", "--reason", "x"},
		`GET /v1/config/history?limit=5`:                       {"config", "history", "-n", "5"},
		`GET /v1/config/history/3`:                             {"config", "show", "3"},
		`GET /livez`:                                           {"healthcheck", "--probe", "livez"},
		`GET /v1/why/payments`:                                 {"why", "payments"},
		`GET /v1/why/route/%2Fpay%2F`:                          {"why", "route", "/pay/"},
		`GET /v1/status`:                                       {"status"},
		`GET /v1/health?group=shop`:                            {"get", "health", "--group", "shop"},
		`GET /v1/health/breakers/payments`:                     {"get", "health", "breakers/payments"},
		`GET /healthz/shop`:                                    {"healthcheck", "--probe", "healthz/shop"},
	} {
		*requests = nil
		run(t, nil, append(args, "--addr", addr)...)
		if len(*requests) != 1 || (*requests)[0] != want {
			t.Errorf("%v asked %q, want %q", args, *requests, want)
		}
	}
}

// Whoever is in a hurry asks why, and means what hurts most; the commands that are named ask the
// daemon that was asked.
func TestWhy_WithoutANameIsAboutTheWorst(t *testing.T) {
	addr, requests := daemon(t)
	got := run(t, nil, "why", "--addr", addr)
	if want := []string{"GET /v1/status", "GET /v1/why/breaker/payments"}; got.code != cli.ExitOK || !slices.Equal(*requests, want) {
		t.Errorf("exit code %d, asked %q, want %q", got.code, *requests, want)
	}
	if !strings.Contains(got.out, " --addr "+addr) {
		t.Errorf("the commands ask another daemon:\n%s", got.out)
	}
}

func TestExitCodesAndErrors(t *testing.T) {
	addr, _ := daemon(t)
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"frobnicate"}, cli.ExitUsage, []string{`"frobnicate"`, "--help"}},
		{[]string{"check", "rule"}, cli.ExitUsage, []string{"KEY is missing", "check --help"}},
		{[]string{"check", "a", "b", "c"}, cli.ExitUsage, []string{`"c" is one argument too many`}},
		{[]string{"status", "-o", "xml"}, cli.ExitUsage, []string{"table, json, yaml"}},
		{[]string{"status", "--nope"}, cli.ExitUsage, []string{"--nope"}},
		{[]string{"status", "--addr", "127.0.0.1:1"}, cli.ExitUnreachable, []string{"no daemon answers at http://127.0.0.1:1", "foundation serve"}},
		{[]string{"breaker", "force-open", "x"}, cli.ExitUsage, []string{"reason"}},
		{[]string{"breaker", "force-open", "x", "--reason", "y", "--for", "-1s"}, cli.ExitUsage, []string{"negative"}},
		{[]string{"check", "a", "b", "--take", "-1"}, cli.ExitUsage, []string{"negative"}},
		{[]string{"healthcheck", "--addr", addr}, cli.ExitFailure, []string{"503"}},
		{[]string{"get", "guards", "--addr", addr}, cli.ExitFailure, []string{"404"}},
		{[]string{"config", "validate", "/does/not/exist"}, cli.ExitFailure, []string{"no such file"}},
		{[]string{"serve", "--log-level", "loud", "-c", "x"}, cli.ExitUsage, []string{"loud"}},
		{[]string{"serve", "--log-format", "xml", "-c", "x"}, cli.ExitUsage, []string{"xml"}},
		{[]string{"service", "restart", "x"}, cli.ExitUsage, []string{"reason"}},
		{[]string{"config", "rollback", "3"}, cli.ExitUsage, []string{"reason"}},
		{[]string{"config", "rollback", "x", "--reason", "y"}, cli.ExitUsage, []string{"number"}},
		{[]string{"events", "-n", "0"}, cli.ExitUsage, []string{"--limit"}},
		{[]string{"events", "-f", "--until", "1m"}, cli.ExitUsage, []string{"--until"}},
		{[]string{"storage", "check", "/does/not/exist"}, cli.ExitFailure, []string{"no such file"}},
		{[]string{"storage", "backup", "/does/not/exist"}, cli.ExitFailure, []string{"no such file"}},
		{[]string{"status", "--watch", "--every", "1ms"}, cli.ExitUsage, []string{"100ms"}},
	} {
		got := run(t, nil, c.args...)
		if got.code != c.code || got.out != "" {
			t.Errorf("%v: exit code %d, want %d; stdout %q", c.args, got.code, c.code, got.out)
		}
		for _, want := range c.want {
			if !strings.Contains(got.err, want) {
				t.Errorf("%v: %q is not in\n%s", c.args, want, got.err)
			}
		}
	}
}

func TestErrorsAreJSONForPrograms(t *testing.T) {
	got := run(t, nil, "status", "-o", "json", "--addr", "127.0.0.1:1")
	var problem struct {
		Detail   string
		ExitCode int `json:"exit_code"`
	}
	if err := json.Unmarshal([]byte(got.err), &problem); err != nil || problem.ExitCode != cli.ExitUnreachable || problem.Detail == "" {
		t.Errorf("%v %s", err, got.err)
	}
}

func TestTokenIsSentAndNeverShown(t *testing.T) {
	var header string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Get("Authorization")
		http.Error(w, "no", http.StatusTeapot)
	}))
	defer server.Close()
	got := run(t, map[string]string{"FOUNDATION_TOKEN": "s3cret-token"}, "status", "--addr", server.URL)
	if header != "Bearer s3cret-token" || strings.Contains(got.err+got.out, "s3cret") {
		t.Errorf("sent %q, said %q", header, got.err)
	}
}

func TestWatchEndsWithTheInterruption(t *testing.T) {
	addr, requests := daemon(t)
	ctx, cancel := timeoutContext(t, 350*time.Millisecond)
	defer cancel()
	var out strings.Builder
	code := cli.Run(ctx, cli.Env{Stdout: &out, Stderr: &out, Program: "foundation"}, []string{"status", "--watch", "--every", "100ms", "--addr", addr})
	http.DefaultClient.CloseIdleConnections()
	if code != cli.ExitOK || len(*requests) < 2 {
		t.Errorf("exit code %d after %d looks\n%s", code, len(*requests), out.String())
	}
}

// TestDocsAreCurrent: the reference in docs is what the commands say.
func TestDocsAreCurrent(t *testing.T) {
	got := run(t, nil, "docs", "markdown")
	file := filepath.Join("..", "..", "..", "docs", "cli.md")
	if *update {
		if err := os.WriteFile(file, []byte(got.out), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != got.out {
		t.Errorf("docs/cli.md is out of date (%v): run make docs", err)
	}
}

func TestEveryCommandHasAManualPage(t *testing.T) {
	dir := t.TempDir()
	if got := run(t, nil, "docs", "man", dir); got.code != cli.ExitOK {
		t.Fatal(got)
	}
	for _, page := range []string{"foundation.1", "foundation-serve.1", "foundation-breaker-force-open.1", "foundation-config-validate.1"} {
		text, err := os.ReadFile(filepath.Join(dir, page))
		if err != nil || !strings.HasPrefix(string(text), ".TH ") || !strings.Contains(string(text), ".SH SYNOPSIS") {
			t.Errorf("%s: %v\n%s", page, err, text)
		}
	}
}

func TestCompletionAsksTheDaemonForNames(t *testing.T) {
	addr, _ := daemon(t)
	got := run(t, map[string]string{"FOUNDATION_ADDR": addr}, "__complete", "breaker", "reset", "")
	if !strings.HasPrefix(got.out, "payments\nmaps\nper_host\n") {
		t.Errorf("%q", got.out)
	}
	silent := run(t, map[string]string{"FOUNDATION_ADDR": "127.0.0.1:1"}, "__complete", "breaker", "reset", "")
	if strings.Contains(silent.out, "daemon") || silent.code != cli.ExitOK {
		t.Errorf("a shell is told %q", silent.out)
	}
	if script := run(t, nil, "completion", "bash"); !strings.Contains(script.out, "foundation") {
		t.Error("no completion script")
	}
}

func timeoutContext(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}
