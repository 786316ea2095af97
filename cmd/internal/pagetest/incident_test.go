package pagetest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// tell gives the fake what the API says of the incident in its frame, beside the frame.
func (f *fake) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.frame.At
	f.answers = map[string]any{
		"why/breaker/demo": whyBreaker(now), "why/guard/demo": whyGuard(now), "why/rate_limit/per_user": whyLimit(now), "why/pool/orders_db": whyPool(now),
		"why/route//": whyGuard(now), "breakers/demo/states": states(now), "breakers/payments/states": states(now),
		"routes//": routeAnswer(now), "breakers/hosts": group(now), "why/breaker/hosts": whyBreaker(now), "breakers/hosts/states": states(now),
		"series": series(now), "operations/demo": operation(), "operations/route:/": operation(), "operations/pool:orders_db:use": operation(),
		"sparklines": sparklines(now), "events": events(now), "memory": memoryAnswer(now), "health": healthAnswer(now), "alerts": alerts(now), "silences": silences(now),
		"services": adminapi.List[adminapi.Service]{Items: []adminapi.Service{
			{Name: "performance", State: "running", SinceSeconds: 3600, Incarnation: 1}, {Name: "webhook", State: "backing_off", SinceSeconds: 12, Incarnation: 4, Failures: 3, TotalFailures: 3, LastError: "connection refused"},
		}},
		"config": adminapi.Config{Revision: 3, Source: "/etc/foundation/foundation.yaml", YAML: configText}, "config/history": history(now),
		"config/history/2": adminapi.Revision{Revision: 2, YAML: "version: 1\nguards:\n  demo: { timeout: 1s }\n"},
	}
}

const configText = `version: 1
namespace: quickstart
breakers:
  demo: { failure_threshold: 3, window: 10s, cooldown: 5s }
rate_limits:
  per_user: { limit: 5, per: 1m }
guards:
  demo: { rate_limit: per_user, breaker: demo, timeout: 2s }
`

func ago(now time.Time, seconds float64) time.Time {
	return now.Add(-time.Duration(seconds * float64(time.Second)))
}

func whyBreaker(now time.Time) adminapi.Why {
	return adminapi.Why{
		Kind: "breaker", Name: "demo", At: now, Since: ago(now, 192), SinceSeconds: 192,
		Verdict: "breaker demo is open for 3m12s: 3 failures within 10s reached the threshold of 3 (status_5xx); it lets one call through in 3s to see whether the upstream is well again",
		Numbers: []adminapi.Number{
			{Name: "failures", Value: 3, Limit: 3, Bounded: true, Bad: true, Note: "within 10s"},
			{Name: "cooldown", Value: 5, Unit: "seconds"},
			{Name: "refused", Value: 0.62, Limit: 0.1, Bounded: true, Unit: "ratio", Bad: true, Note: "73 of 118 in the last minute"},
			{Name: "failed probes", Value: 38},
		},
		Parts:  []adminapi.WhyPart{{Kind: "guard", Name: "demo", State: "refuses 62 % of 118 calls"}},
		Errors: []adminapi.WhyError{{Class: "status_5xx", Count: 41, AgoSeconds: 2, Where: "route /"}},
		Before: []adminapi.Before{
			{At: ago(now, 250), AgoSeconds: 250, EarlierSeconds: 58, What: "annotation", Name: "shop", Actor: "ci", Text: "deploy.finished shop: version 1.4.2"},
			{At: ago(now, 900), AgoSeconds: 900, EarlierSeconds: 708, What: "revision", Actor: "ops", Text: "revision 3: guards.demo.timeout 1s → 2s"},
		},
		Try: []adminapi.Try{
			{Text: "see what the upstream says", Command: "foundation why route /"},
			{Text: "refuse at once, without probes, while it is being fixed", Command: "foundation breaker force-open demo --for 10m --reason TEXT"},
		},
	}
}

func whyGuard(now time.Time) adminapi.Why {
	w := whyBreaker(now)
	w.Kind, w.Verdict = "guard", "guard demo refuses 62 % of 118 calls in the last minute: circuit_open, because breaker demo is open since 11:56:48Z"
	w.Parts = []adminapi.WhyPart{{Kind: "breaker", Name: "demo", State: "open, failures 3 of 3"}, {Kind: "rate_limit", Name: "per_user", Well: true, State: "5 per 1m for each key"}, {Kind: "route", Name: "/", State: "to 127.0.0.1:9000"}}
	w.Holders = []adminapi.Holder{{Kind: "route", Name: "/", Held: 3, OldestSeconds: 1.2}}
	return w
}

func whyLimit(now time.Time) adminapi.Why {
	return adminapi.Why{
		Kind: "rate_limit", Name: "per_user", At: now, Well: true, Verdict: "rule per_user denied 4 of 118 calls in the last minute",
		Parts:   []adminapi.WhyPart{{Kind: "guard", Name: "demo", State: "refuses"}},
		Numbers: []adminapi.Number{{Name: "keys", Value: 4, Limit: 100000, Bounded: true}},
		Denied:  []adminapi.Denied{{Key: "127.0.0.1/alice", Denied: 31, Share: 0.9, AgoSeconds: 4}, {Key: "127.0.0.1/<img src=x onerror=alert(1)>", Denied: 3, Share: 0.1, AgoSeconds: 60}},
	}
}

func whyPool(now time.Time) adminapi.Why {
	return adminapi.Why{
		Kind: "pool", Name: "orders_db", At: now, Verdict: "pool orders_db lends 6 of 7 workers, and 1 call waits", Since: ago(now, 30), SinceSeconds: 30,
		Numbers: []adminapi.Number{{Name: "lent", Value: 6, Limit: 7, Bounded: true, Bad: true}, {Name: "wait p99", Value: 0.21, Unit: "seconds"}},
		Holders: []adminapi.Holder{{Kind: "guard", Name: "demo", Held: 6, OldestSeconds: 14}},
	}
}

func routeAnswer(now time.Time) adminapi.Route {
	return adminapi.Route{
		Name: "/", Match: "/", Guard: "demo", Panic: adminapi.Panic{On: true, SinceSeconds: 40}, Lookup: adminapi.Lookup{Name: "shop.internal:9000", EverySeconds: 10, Answers: 2, Error: "no such host", SinceSeconds: 61},
		Upstreams: []adminapi.Upstream{
			{Name: "10.0.0.1:9000", State: "ejected", Reason: "5 failures in a row", SinceSeconds: 20, RemainingSeconds: 10, Failures: 41, Requests: 90, Ejections: 2, LastError: adminapi.UpstreamError{Class: "refused", At: now}},
			{Name: "10.0.0.2:9000", State: "active", Share: 1, SinceSeconds: 3600, Requests: 120, InFlight: 3},
		},
	}
}

func group(now time.Time) adminapi.Breaker {
	return adminapi.Breaker{
		Name: "hosts", Group: true, MemberCount: 2, MaxMembers: 1000, State: "open", Members: []adminapi.Breaker{
			{Name: "hosts", Member: "10.0.0.9:80", State: "open", SinceSeconds: 12, Counted: []adminapi.Fact{{Name: "failures", Value: 5, Limit: 5, Bounded: true}}, LastErrors: []adminapi.ErrorClass{{Class: "reset", Count: 5, Last: now}}},
			{Name: "hosts", Member: "10.0.0.8:80", State: "closed", SinceSeconds: 900, Override: adminapi.Override{State: "forced-closed", Actor: "ops", Reason: "known"}},
		},
	}
}

func states(now time.Time) adminapi.BreakerStates {
	s := adminapi.BreakerStates{Name: "demo", From: ago(now, 3600), To: now, Bands: []adminapi.StateBand{
		{State: "closed", From: ago(now, 3600), To: ago(now, 2000)},
		{State: "open", From: ago(now, 2000), To: ago(now, 1900), Forced: true, Actor: "ops", Reason: "game day", Seq: 9},
		{State: "closed", From: ago(now, 1900), To: ago(now, 192), Reason: "override_ended", Seq: 10},
		{State: "open", From: ago(now, 192), To: ago(now, 100), Reason: "failure_threshold", Seq: 11},
	}}
	for at := 100.0; at > 0; at -= 20 {
		s.Bands = append(s.Bands, adminapi.StateBand{State: "half-open", From: ago(now, at), To: ago(now, at-4), Reason: "cooldown_over"}, adminapi.StateBand{State: "open", From: ago(now, at-4), To: ago(now, at-20), Reason: "probe_failed"})
	}
	return s
}

func series(now time.Time) adminapi.Series {
	s := adminapi.Series{Name: "demo", From: ago(now, 3600), To: now, StepSeconds: 10, Values: map[string][]*float64{}}
	add := func(kind string, v float64) { s.Values[kind] = append(s.Values[kind], &v) }
	for i := range 360 {
		s.Time = append(s.Time, ago(now, float64(3600-10*i)).Unix())
		wave, bad := 1+0.3*math.Sin(float64(i)/9), i > 341
		errors, refused := 0.002*wave, 0.0
		if bad {
			errors, refused = 0.9, 12
		}
		add("rate", 2*wave)
		add("failed", 20*wave*errors)
		add("refused", refused)
		add("errors", errors)
		add("p50", 0.0021*wave)
		add("p95", 0.0043*wave)
		add("p99", 0.0072*wave*wave)
		add("in_flight", math.Round(3*wave))
	}
	return s
}

func operation() adminapi.Operation {
	return adminapi.Operation{
		Name: "demo", Kind: "guard", State: "alerting", Normal: adminapi.Normal{LatencySeconds: 0.006, ErrorRatio: 0.002, Rate: 2},
		Objectives: []adminapi.Objective{{Measure: "latency", Target: 0.99, BoundSeconds: 0.012}, {Measure: "success", Target: 0.99}}, Alerts: []adminapi.Alert{},
	}
}

func sparklines(now time.Time) adminapi.Sparklines {
	s := adminapi.Sparklines{StepSeconds: 10}
	for _, name := range []string{"demo", "route:/", "pool:orders_db:use"} {
		item := adminapi.Sparkline{Operation: name}
		for i := range 30 {
			v, e := 2+math.Sin(float64(i)/4), 0.0
			item.Rate, item.Errors = append(item.Rate, &v), append(item.Errors, &e)
		}
		s.Items = append(s.Items, item)
	}
	for i := range 30 {
		s.Time = append(s.Time, ago(now, float64(300-10*i)).Unix())
	}
	return s
}

func events(now time.Time) adminapi.Events {
	list := []struct {
		back                       float64
		kind, severity, part, data string
	}{
		{63, "config_server.rejected", "warning", "", `{"actor":"","error":"guards.demo.timeout: must be above 0"}`},
		{180, "performance_monitor.alert_triggered", "error", "demo", `{"kind":"errors","text":"errors 35 %, usually 0.2 %"}`},
		{192, "circuit_breaker.state_change", "error", "demo", `{"from":"closed","to":"open","cause":"failure_threshold","error":"status_5xx","evidence":[{"name":"failures","value":3,"limit":3,"bounded":true}]}`},
		{250, "deploy.finished", "info", "shop", `{"actor":"ci","version":"1.4.2"}`},
		{900, "config_server.applied", "info", "", `{"revision":3,"actor":"ops","reason":"slow downstream"}`},
		{1900, "circuit_breaker.state_change", "info", "demo", `{"from":"open","to":"closed","cause":"override_ended"}`},
	}
	answer := adminapi.Events{APIVersion: "v1", Items: []adminapi.Event{}}
	for i, e := range list {
		component, _ := cutType(e.kind)
		answer.Items = append(answer.Items, adminapi.Event{
			ID: fmt.Sprintf("01a2252a-0000-7000-8000-%012d", i), Seq: uint64(4711 - i), Type: e.kind, Time: ago(now, e.back), Severity: e.severity, Component: component, Name: e.part, Node: "web-1",
			Data: json.RawMessage(e.data),
		})
	}
	return answer
}

func cutType(kind string) (component, rest string) {
	for i := range kind {
		if kind[i] == '.' {
			component, rest = kind[:i], kind[i+1:]
			break
		}
	}
	if component == "deploy" {
		component = "annotation"
	}
	return component, rest
}

func memoryAnswer(now time.Time) adminapi.Memory {
	return adminapi.Memory{
		Level: "high", Measured: "normal", Since: ago(now, 300), SinceSeconds: 300, Cause: "simulated",
		Limits:     []adminapi.Limit{{Source: "cgroup memory.max", Used: 201326592, Limit: 536870912, Ratio: 0.375}, {Source: "machine", Used: 2 << 30, Limit: 8 << 30, Ratio: 0.25}},
		Priorities: []adminapi.Shedding{{Priority: "critical"}, {Priority: "normal"}, {Priority: "best_effort", Refused: 0.5, Shed: 5}, {Priority: "bulk", Refused: 1, Shed: 12}},
		Levels:     []adminapi.Threshold{{Level: "elevated", Enter: 0.75, Exit: 0.7}, {Level: "high", Enter: 0.85, Exit: 0.78}, {Level: "critical", Enter: 0.95, Exit: 0.88}},
		Heap:       adminapi.Heap{Live: 33554432, Goal: 71303168, Objects: 41943040, Mapped: 99614720, GCCPU: 0.004}, Stalls: adminapi.Stalls{Known: true, Some: 0.4}, Unread: []string{},
		Simulation: adminapi.Simulation{Level: "high", Actor: "local", Reason: "game day", RemainingSeconds: 25},
		Cleaners:   []adminapi.CleanerRow{{Name: "events", MinLevel: "high", Runs: 3, Freed: 4194304, LastAgoSeconds: 41, LastMeasured: 3145728, LastTookSeconds: 0.012}, {Name: "pools", MinLevel: "elevated"}},
	}
}

func healthAnswer(now time.Time) adminapi.Health {
	return adminapi.Health{
		Status: "warn", Score: 68, Ready: true, Live: true, Started: true, NotReady: []string{}, NotLive: []string{}, Groups: []string{},
		Deductions: []adminapi.Deduction{{Component: "breakers/demo", Points: 30, Why: "open"}, {Component: "inventory", Points: 2, Why: "warns"}},
		Components: []adminapi.HealthComponent{
			{Name: "breakers/demo", Status: "warn", SinceSeconds: 192, Output: "open", Criticality: "soft", DependsOn: []string{}, Causes: []string{}},
			{Name: "orders_db", Status: "fail", SinceSeconds: 61, Output: "dial tcp 10.0.0.9:5432: connection refused", Criticality: "hard", Readiness: true, IsCheck: true, Outcome: "failed", LastAt: ago(now, 4), LastSeconds: 0.003, InARow: 6, EverySeconds: 10, DependsOn: []string{}, Causes: []string{}},
			{Name: "orders", Status: "fail", SinceSeconds: 58, Output: "no connection", Criticality: "hard", Impacted: true, Causes: []string{"orders_db"}, DependsOn: []string{"orders_db"}, IsCheck: true, Outcome: "failed", LastAt: ago(now, 3), EverySeconds: 10, InARow: 5},
			{Name: "checkout", Status: "warn", SinceSeconds: 50, Output: "slow", Criticality: "soft", Impacted: true, Causes: []string{"orders_db"}, DependsOn: []string{"orders"}, IsCheck: true, Outcome: "warned", LastAt: ago(now, 3), EverySeconds: 10, InARow: 4, Flapping: true},
			{Name: "guards/search", Status: "pass", Criticality: "soft", DependsOn: []string{}, Causes: []string{}},
			{Name: "memory", Status: "pass", Criticality: "soft", DependsOn: []string{}, Causes: []string{}},
		},
	}
}

func alerts(now time.Time) adminapi.List[adminapi.Alert] {
	return adminapi.List[adminapi.Alert]{Items: []adminapi.Alert{
		{Operation: "route:/", Kind: "errors", State: "firing", Severity: "error", Text: "errors 35 %, usually 0.2 %, in 3 of 5 ticks", Since: ago(now, 180), SinceSeconds: 180},
		{Operation: "demo", Kind: "errors", State: "suppressed", Severity: "warning", SuppressedBy: "route:/", Text: "errors 35 %, usually 0.2 %", SinceSeconds: 180},
		{Operation: "search", Kind: "latency", State: "silenced", Severity: "info", SilencedBy: "ops", SilenceReason: "migration", SilenceSeconds: 1200, Text: "p99 1.2s, usually 200ms", SinceSeconds: 900},
		{Operation: "search", Kind: "throughput", State: "resolved", Severity: "info", Text: "0.1 calls a second, usually 2", Since: ago(now, 4000), ResolvedAt: ago(now, 3000)},
	}}
}

func silences(now time.Time) adminapi.List[adminapi.Silence] {
	return adminapi.List[adminapi.Silence]{Items: []adminapi.Silence{{Operation: "search", Kind: "latency", Actor: "ops", Reason: "migration", Since: ago(now, 600), Until: ago(now, -1200), RemainingSeconds: 1200}}}
}

func history(now time.Time) adminapi.List[adminapi.Revision] {
	return adminapi.List[adminapi.Revision]{Items: []adminapi.Revision{
		{Seq: 4, Revision: 3, At: ago(now, 63), Source: "/etc/foundation/foundation.yaml", Outcome: "refused", Error: "guards.demo.timeout: must be above 0", Changes: []string{}},
		{Seq: 3, Revision: 3, At: ago(now, 900), Actor: "ops", Reason: "slow downstream", Source: "api", Outcome: "applied", Changes: []string{"guards demo changed: timeout 1s → 2s"}},
		{Seq: 2, Revision: 2, At: ago(now, 3600), Actor: "", Source: "/etc/foundation/foundation.yaml", Outcome: "applied", Changes: []string{"guards demo added"}},
	}}
}

// faults are problems of a configuration, for banners.
func faults() []fault.Problem {
	return []fault.Problem{{Field: "guards.demo.timeout", Value: "0s", Message: "must be above 0", Position: "foundation.yaml:9:38", Excerpt: "  demo: { rate_limit: per_user, breaker: demo, timeout: 0s }\n                                                        ^"}}
}
