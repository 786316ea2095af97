package admin

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// noon is when the incident of the tables is looked at.
var noon = time.Date(2026, 11, 28, 14, 15, 10, 0, time.UTC)

// incident is a status in which much is wrong.
func incident() *facts {
	s := calm()
	s.Breakers = []adminapi.Breaker{openBreaker("payments"), {Name: "calm", State: "closed", SinceSeconds: 60, Counted: []adminapi.Fact{{Name: "failures", Value: 1, Limit: 5, Bounded: true}}}}
	s.Breakers[0].LastErrors = []adminapi.ErrorClass{{Class: "dns", Count: 73, Last: noon.Add(-3 * time.Second)}}
	s.RateLimits = []adminapi.RateLimit{{Name: "per_client", Limit: 5, PerSeconds: 1, Denied: 100, TopDenied: []adminapi.DeniedKey{{Key: "10.0.0.9", Denied: 95, Last: noon.Add(-time.Second)}}}}
	s.Pools = []adminapi.Pool{{Name: "orders", State: "full", Size: 2, CheckedOut: 2, OldestCheckoutSeconds: 120, Waiting: 4}, {Name: "calm", Size: 2, State: "ready"}}
	s.Guards = []adminapi.Guard{
		{Name: "checkout", Breaker: "payments", Recent: sick(troubleRefuses, "circuit_open", 98)},
		{Name: "search", RateLimit: "per_client", Recent: sick(troubleRefuses, "rate_limited", 60)},
		{Name: "orders", Pool: "orders", InFlight: 2, Recent: sick(troubleRefuses, "pool_timeout", 50)},
		{Name: "full", Concurrency: 3, InFlight: 3, Recent: sick(troubleFull, "concurrency_limited", 40)},
		{Name: "left", TimeoutSeconds: 2, Recent: sick(troubleLeave, "", 40)},
		{Name: "calm", Recent: sick("", "", 0)},
	}
	s.Routes = []adminapi.Route{
		{Name: "pay", Match: "/pay/", Guard: "checkout", Upstream: "pay.example:443", Recent: sick(troubleRefuses, "circuit_open", 98), Failures: []adminapi.UpstreamFailure{{Class: "dns", Count: 73, Last: noon, Reason: "no such host"}}},
		{Name: "hang", Match: "/hang/", Guard: "full", Upstream: "10.0.0.1:80", InFlight: 3, OldestSeconds: 31},
		{Name: "dead", Match: "/dead/", Upstream: "10.0.0.1:81", Recent: sick(troubleFails, "refused", 100), Failures: []adminapi.UpstreamFailure{{Class: "refused", Count: 100, Last: noon, Reason: "connection refused"}}},
		{Name: "calm", Match: "/calm/", Upstream: "10.0.0.1:82"},
		{Name: "orders", Match: "/orders/", Upstream: "10.0.0.1:83", MaxBody: 16384, Recent: refusing("body_too_large")},
		{Name: "crowd", Match: "/crowd/", Upstream: "10.0.0.1:84", MaxPerKey: 2, Recent: refusing("in_flight_limited")},
		{Name: "cookies", Match: "/cookies/", Upstream: "10.0.0.1:85", Recent: refusing("header_too_large")},
	}
	s.Services = []adminapi.Service{{Name: "mailer", State: "failed", LastError: "no route", TotalFailures: 3}}
	s.Memory = adminapi.Memory{Level: "high", Cause: "85 % is used", Priorities: []adminapi.Shedding{{Priority: "bulk", Refused: 1}}}
	(&verdict{Status: &s}).judge()
	return &facts{now: noon, status: &s, checks: []adminapi.HealthComponent{{Name: "db", Status: "fail", Output: "connection refused", Outcome: "failed"}}}
}

// A breaker that opens and closes in turns is often closed when somebody asks, and a guard may
// be slow without a single failure.
func TestExplain_WhatIsNotWrongAtThisMoment(t *testing.T) {
	s := calm()
	s.Breakers = []adminapi.Breaker{{Name: "payments", State: "closed", SinceSeconds: 2, OpenedBy: []adminapi.Fact{{Name: "failures", Value: 5, Limit: 5, Bounded: true}}}}
	s.Guards = []adminapi.Guard{{Name: "checkout", Breaker: "payments", Recent: sick(troubleRefuses, "circuit_open", 38)}, {Name: "slow", Recent: sick("", "", 0)}}
	s.Guards[0].Recent.Since = noon.Add(-time.Minute)
	s.Performance.Alerts = []adminapi.Alert{{Operation: "slow", Kind: "latency", Cause: "threshold", Measure: "p90", Seen: 0.419, Against: 0.1, Text: "p90 419ms, the bound is 100ms", Since: noon.Add(-53 * time.Second), SinceSeconds: 53, Calls: 266}}
	(&verdict{Status: &s}).judge()
	f := &facts{now: noon, status: &s}
	w := f.explain("breaker", "payments")
	if w.Well || w.SinceSeconds != 60 || !strings.HasPrefix(w.Verdict, "breaker payments was open of late, and is closed for 2s; it opened with failures 5 of 5") || w.Try[0].Command != "foundation events --name payments --since 30m" {
		t.Errorf("%+v", w)
	}
	w = f.explain("guard", "slow")
	last := w.Numbers[len(w.Numbers)-1]
	if w.Well || w.SinceSeconds != 53 || !strings.HasPrefix(w.Verdict, "guard slow is slow: p90 419ms, the bound is 100ms") || last.Name != "p90" || last.Value != 0.419 || last.Limit != 0.1 || !last.Bad || last.Unit != "seconds" {
		t.Errorf("%+v", w)
	}
}

// A trouble that began with a revision is ended by undoing it, and one route that holds the places
// of a guard keeps the others out: more places would not help.
func TestExplain_WhatWouldEndIt(t *testing.T) {
	before := func(earlier float64) []adminapi.Before {
		return []adminapi.Before{{What: "transition", Name: "payments"}, {What: "revision", Name: "7", Actor: "ops", EarlierSeconds: earlier}}
	}
	if got := undoing(before(2)); len(got) != 1 || got[0].Command != "foundation config rollback 6 --reason '…'" || !strings.Contains(got[0].Text, "revision 7 by ops") {
		t.Errorf("%+v", got)
	}
	if got := undoing(before(600)); got != nil {
		t.Errorf("a revision of long before: %+v", got)
	}
	s := calm()
	s.Guards = []adminapi.Guard{{Name: "orders", Concurrency: 8, InFlight: 8, Recent: sick(troubleFull, "concurrency_limited", 76)}}
	s.Routes = []adminapi.Route{{Name: "orders", Match: "/orders/", Guard: "orders"}, {Name: "reports", Match: "/reports/", Guard: "orders", Upstream: "10.0.0.1:80", InFlight: 8}}
	w := (&facts{now: noon, status: &s}).explain("guard", "orders")
	if !strings.HasPrefix(w.Try[0].Text, "route reports holds 8 of 8 places: give it a guard of its own") || !strings.HasSuffix(w.Try[1].Text, "http://10.0.0.1:80/reports/") {
		t.Errorf("%+v", w.Try)
	}
	events := aboutOwn([]adminapi.Event{{Component: "circuit_breaker", Name: "other"}, {Component: "circuit_breaker", Name: "payments"}, {Component: "supervisor"}}, []string{"payments"})
	if len(events) != 2 || events[0].Name != "payments" {
		t.Errorf("%+v", events)
	}
}

// refusing is a minute in which the gateway itself refused half of the requests.
func refusing(reason string) adminapi.Recent {
	r := sick(troubleRefuses, reason, 49)
	r.RefusedBy = map[string]uint64{reason: 49}
	return r
}

// What is asked about is said in the first sentence, and what to try begins with what is most
// likely to help.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		kind, name string
		well       bool
		verdict    string
		bad        string // the numbers that are wrong
		try        string // the first
	}{
		{"guard", "checkout", false, "guard checkout refuses 98 % of 100 calls in the last minute (circuit_open)", "refused", "foundation why breaker payments"},
		{"guard", "search", false, "guard search refuses 60 % of 100 calls in the last minute (rate_limited by per_client; key 10.0.0.9 has 95 % of what it denied)", "refused", "foundation why rate_limit per_client"},
		{"guard", "full", false, "guard full is full: 3 of 3 places are taken, and 40 % of 100 calls were refused in the last minute; route hang holds 3, the oldest for 31s", "refused, in flight", "see how long the upstream takes: curl -sS -o /dev/null -w '%{time_total}\\n' http://10.0.0.1:80/hang/"},
		{"guard", "left", false, "guard left: clients leave: 40 % of 100 calls were given up by their callers in the last minute; half of the others take 0s or longer", "given up", "foundation get operations left"},
		{"guard", "calm", true, "guard calm is well: 100 % of 100 calls succeeded in the last minute, half of them within 0s and 99 in 100 within 0s", "", ""},
		{"breaker", "payments", false, "breaker payments is open for 12m: began 14:03:10Z with 62 % of 118 calls failed (dns); last probe failed 3s ago: refused; it takes with it guard checkout (98 % of 100 calls refused), route pay", "failure ratio, failed probes", "resolve the name on this machine: getent hosts pay.example"},
		{"breaker", "calm", true, "breaker calm is well: closed for 1m, failures 1 of 5", "", ""},
		{"rate_limit", "per_client", false, "rate limit per_client denies 60 % of 100 calls in the last minute; key 10.0.0.9 has 95 % of what it denied", "denied", "foundation rate-limit peek per_client 10.0.0.9"},
		{"pool", "orders", false, "pool orders has no free worker: 2 of 2 are lent, the oldest for 2m, 4 calls wait; it takes with it guard orders (50 % of 100 calls refused)", "lent, waiting, oldest checkout", "look for what holds its workers for long: the oldest is out for 2m"},
		{"pool", "calm", true, "pool calm is well: 0 of 2 are lent", "", ""},
		{"route", "pay", false, "route pay refuses 98 % of 100 calls in the last minute (circuit_open); the cause: breaker payments, see 'foundation why breaker payments'", "refused", "foundation why breaker payments"},
		{"route", "dead", false, "route dead: 100 % of 100 calls fail in the last minute (refused)", "failed", "nothing listens at 10.0.0.1:81, or no way leads there: is the upstream running? On its machine: ss -ltn"},
		{"route", "orders", false, "route orders refuses 49 % of 100 calls in the last minute (body_too_large)", "refused, max_body", "foundation config history"},
		{"route", "crowd", false, "route crowd refuses 49 % of 100 calls in the last minute (in_flight_limited)", "refused, max_in_flight_per_key", "foundation config history"},
		{"route", "cookies", false, "route cookies refuses 49 % of 100 calls in the last minute (header_too_large)", "refused", "compare the headers of the requests with what 10.0.0.1:85 takes: it announces the limit itself (SETTINGS_MAX_HEADER_LIST_SIZE of HTTP/2), and may have been deployed with a smaller one"},
		{"route", "calm", true, "route calm is well: it had no calls in the last 0s", "", ""},
		{"service", "mailer", false, "service mailer is failed for 0s: no route", "", "foundation service restart mailer --reason '…'"},
		{"check", "db", false, "check db: fail for 0s: connection refused", "", "foundation get health db"},
		{"memory", "memory", false, "memory pressure is high for 0s (85 % is used), calls are refused: all bulk", "bulk refused", "foundation get memory"},
	} {
		f := incident()
		w := f.explain(c.kind, c.name)
		var wrong []string
		for _, n := range w.Numbers {
			if n.Bad {
				wrong = append(wrong, n.Name)
			}
		}
		first := ""
		if len(w.Try) > 0 {
			if first = w.Try[0].Command; first == "" {
				first = w.Try[0].Text
			}
		}
		if w.Well != c.well || w.Verdict != c.verdict || strings.Join(wrong, ", ") != c.bad || first != c.try {
			t.Errorf("%s %s: %v\n%s\nwant\n%s\nwrong %q, want %q; first %q, want %q", c.kind, c.name, w.Well, w.Verdict, c.verdict, wrong, c.bad, first, c.try)
		}
		again := f.explain(c.kind, c.name)
		if a, b := jsonOf(t, w), jsonOf(t, again); a != b {
			t.Errorf("%s %s: another answer from the same facts", c.kind, c.name)
		}
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestExplain_ListsWhatBelongsToIt(t *testing.T) {
	w := incident().explain("breaker", "payments")
	if len(w.Parts) != 2 || w.Parts[0].Name != "checkout" || w.Parts[1].Name != "pay" || w.Parts[0].Well {
		t.Errorf("parts %+v", w.Parts)
	}
	if len(w.Errors) != 1 || w.Errors[0].Detail != "no such host" || w.Errors[0].Where != "route pay" || w.Errors[0].Count != 73 || w.Errors[0].AgoSeconds != 3 {
		t.Errorf("errors %+v", w.Errors)
	}
	if w.SinceSeconds != 720 {
		t.Errorf("since %v", w.SinceSeconds)
	}
	w = incident().explain("guard", "full")
	if len(w.Holders) != 1 || w.Holders[0] != (adminapi.Holder{Kind: "route", Name: "hang", Held: 3, OldestSeconds: 31}) {
		t.Errorf("holders %+v", w.Holders)
	}
	w = incident().explain("guard", "search")
	if len(w.Denied) != 1 || w.Denied[0].Key != "10.0.0.9" || w.Denied[0].Share != 0.95 || w.Denied[0].AgoSeconds != 1 {
		t.Errorf("denied %+v", w.Denied)
	}
}

// The bound stands in the numbers, and what to try names the setting.
func TestExplain_NamesTheLimitThatTheGatewayRefusesFor(t *testing.T) {
	w := incident().explain("route", "orders")
	i := slices.IndexFunc(w.Numbers, func(n adminapi.Number) bool { return n.Name == "max_body" })
	if i < 0 || w.Numbers[i] != (adminapi.Number{Name: "max_body", Value: 16384, Unit: "bytes", Bad: true, Note: "gateway.limits.max_body; 49 bodies were larger"}) {
		t.Errorf("numbers %+v", w.Numbers)
	}
	if len(w.Try) < 2 || w.Try[0].Text != "which revision changed gateway.limits.max_body (16384 bytes now, for every route)" || !strings.HasPrefix(w.Try[1].Text, "raise gateway.limits.max_body") {
		t.Errorf("try %+v", w.Try)
	}
}

func TestFind(t *testing.T) {
	for _, c := range []struct{ kind, name, wantKind, wantName, fault string }{
		{"guard", "checkout", "guard", "checkout", ""},
		{"", "checkout", "guard", "checkout", ""},
		{"rate-limits", "per_client", "rate_limit", "per_client", ""},
		{"", "memory", "memory", "memory", ""},
		{"", "/pay/", "route", "pay", ""},
		{"route", "/pay/", "route", "pay", ""},
		{"", "calm", "", "", "say which: 'foundation why guard calm' or 'foundation why breaker calm' or 'foundation why pool calm' or 'foundation why route calm'"},
		{"", "chekout", "", "", `did you mean "checkout"?`},
		{"breaker", "paymens", "", "", `did you mean "payments"?`},
		{"breker", "payments", "", "", `did you mean "breaker"?`},
	} {
		kind, name, err := incident().find(c.kind, c.name)
		text := ""
		if f, ok := errors.AsType[*fault.Error](err); ok {
			text = f.Error()
		}
		if kind != c.wantKind || name != c.wantName || (text == "") != (c.fault == "") || !strings.Contains(text, c.fault) {
			t.Errorf("why %s %s: %s %s, %s; want %s", c.kind, c.name, kind, name, text, c.fault)
		}
	}
}

// What changed is told from half an hour before the beginning on; what only follows from the
// trouble is not.
func TestChangesBefore(t *testing.T) {
	since := noon
	at := since.Add
	revisions := []config.Record{
		{Revision: 7, At: at(-5 * time.Minute), Actor: "ops", Reason: "calm down", Outcome: "applied", Changes: []string{"a", "b", "c", "d"}},
		{Revision: 6, At: at(-31 * time.Minute), Outcome: "applied"},
		{Revision: 6, At: at(-2 * time.Minute), Outcome: "refused", Err: `config "f.yaml": invalid_config: window`},
		{Revision: 1, At: at(-time.Minute), Outcome: "applied"},
	}
	data := func(v any) json.RawMessage { raw, _ := json.Marshal(v); return raw }
	events := []adminapi.Event{
		{Time: at(-time.Minute), Type: "deploy.finished", Component: "annotation", Name: "shop", Data: data(map[string]any{"actor": "ci", "version": "1.2.3"})},
		{Time: at(-30 * time.Second), Type: "circuit_breaker.state_change", Component: "circuit_breaker", Name: "other", Data: data(map[string]any{"to": "open", "cause": "failure_threshold"})},
		{Time: at(time.Second), Type: "circuit_breaker.state_change", Component: "circuit_breaker", Name: "payments", Data: data(map[string]any{"to": "open"})},
		{Time: at(time.Second), Type: "circuit_breaker.state_change", Component: "circuit_breaker", Name: "payments", Data: data(map[string]any{"from": "open", "actor": "ada", "reason": "a drill", "cause": "override"})},
		{Time: at(-time.Second), Type: "supervisor.service_started", Component: "supervisor", Name: "mailer"},
		{Time: at(-20 * time.Second), Type: "memory_manager.pressure_changed", Component: "memory_manager", Data: data(map[string]any{"from": "normal", "to": "high"})},
	}
	var got []string
	list := changesBefore(at(-time.Hour), revisions, events, since, noon.Add(time.Minute))
	for _, b := range list {
		got = append(got, b.What+" "+b.Name+" by "+b.Actor+": "+b.Text)
	}
	want := []string{
		`override payments by ada: breaker payments: open → closed, override ("a drill")`,
		"memory  by : memory pressure normal → high",
		"transition other by : breaker other: closed → open, failure_threshold",
		"annotation shop by ci: deploy.finished shop: version 1.2.3",
		"refused revision 6 by : window",
		`revision 7 by ops: "calm down": a; b; and 2 more`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if last := list[len(list)-1]; last.EarlierSeconds != 300 || last.AgoSeconds != 360 || last.Command != "foundation config diff 6 7" {
		t.Errorf("%+v", last)
	}
}
