package pagetest_test

import (
	"strings"
	"testing"
)

// action is something that can be done from the page.
type action struct {
	hash, button string
	fill         map[string]string
	want         string // the request that it makes, without the reason
}

// actions are all that the page can do, each of which asks for a reason.
var actions = []action{
	{"#/breaker/demo", "Force open", map[string]string{"select[name=for]": "3600"}, `PUT /v1/breakers/demo/override {"state":"forced-open","reason":"REASON","for_seconds":3600}`},
	{"#/breaker/demo", "Force closed", nil, `PUT /v1/breakers/demo/override {"state":"forced-closed","reason":"REASON","for_seconds":600}`},
	{"#/breaker/demo", "Reset", nil, "POST /v1/breakers/demo/reset?reason=REASON"},
	{"#/breaker/payments", "Release", nil, "DELETE /v1/breakers/payments/override?reason=REASON"},
	{"#/breaker/hosts", "Force open", nil, `PUT /v1/breakers/hosts/override?member=10.0.0.9%3A80 {"state":"forced-open","reason":"REASON","for_seconds":600}`},
	{"#/breaker/hosts", "Release", nil, "DELETE /v1/breakers/hosts/override?member=10.0.0.8%3A80&reason=REASON"},
	{"#/rate_limit/per_user", "Reset a key", map[string]string{"input[name=key]": "10.0.0.1/a b"}, "DELETE /v1/rate_limits/per_user/keys/10.0.0.1/a%20b?reason=REASON"},
	{"#/guard/demo", "Silence alerts", nil, `PUT /v1/silences/demo {"kind":"","for_seconds":600,"reason":"REASON"}`},
	{"#/route/%2F", "Silence alerts", nil, `PUT /v1/silences/route%3A%2F {"kind":"","for_seconds":600,"reason":"REASON"}`},
	{"#/alerts", "Silence", nil, `PUT /v1/silences/route%3A%2F {"kind":"errors","for_seconds":600,"reason":"REASON"}`},
	{"#/alerts", "End", nil, "DELETE /v1/silences/search?kind=latency&reason=REASON"},
	{"#/memory", "Simulate", map[string]string{"select[name=level]": "critical"}, `POST /v1/memory/simulate {"level":"critical","for_seconds":60,"reason":"REASON"}`},
	{"#/health", "Restart", nil, `POST /v1/services/performance/restart {"reason":"REASON"}`},
	{"#/events", "Annotate", map[string]string{"input[name=name]": "shop"}, `POST /v1/events {"type":"deploy","name":"shop","data":{"reason":"REASON"}}`},
	{"#/config", "Apply", map[string]string{"#yaml": "version: 1\n"}, `PUT /v1/config?reason=REASON {"yaml":"version: 1\n"}`},
	{"#/config", "Reload the file", nil, `POST /v1/reload {"reason":"REASON","discard_drift":false}`},
	{"#/config", "Discard drift", nil, `POST /v1/reload {"reason":"REASON","discard_drift":true}`},
	{"#/config", "Roll back", nil, `POST /v1/config/rollback {"revision":2,"reason":"REASON"}`},
	{"#/overrides", "Release", nil, "DELETE /v1/breakers/payments/override?reason=REASON"},
	{"#/overrides", "End", nil, `POST /v1/memory/simulate {"level":"normal","for_seconds":0,"reason":"REASON"}`},
	{"#/overrides", "Set the level of the log", map[string]string{"select[name=level]": "warn", "select[name=for]": "0"}, `PUT /v1/log_level {"level":"warn","for_seconds":0,"reason":"REASON"}`},
	{"#/", "slow", nil, `PUT /v1/switches/upstream {"state":"slow","reason":"REASON"}`},
}

// TestActions_AskForAReason: nothing is changed without one, and what is changed is what was
// asked for.
func TestActions_AskForAReason(t *testing.T) {
	t.Parallel()
	f, b := incident(t, "", desktop)
	b.shows("#link", "ops")
	for _, a := range actions {
		b.goTo(a.hash)
		b.until("all is there", "!document.querySelector('#main').innerText.includes('Asking')")
		before := len(strings.Split(f.requests(), "\n"))
		if text, ok := a.fill["#yaml"]; ok {
			b.until("loaded", "document.querySelector('#yaml').value")
			b.fill("#yaml", text)
		}
		b.click("#main button", a.button)
		for field, text := range a.fill {
			if field != "#yaml" {
				b.fill("dialog[open] "+field, text)
			}
		}
		b.do("document.querySelector('dialog[open] button[type=submit]').click()") // without a reason
		b.until("still open", "document.querySelector('dialog[open] input[name=reason]:invalid')")
		if asked := strings.Split(f.requests(), "\n"); len(asked) > before {
			t.Errorf("%s %s: %s without a reason", a.hash, a.button, asked[before:])
		}
		b.answer("because")
		if want := strings.ReplaceAll(a.want, "REASON", "because"); !strings.Contains(f.requests(), want) {
			t.Errorf("%s %s: no %s in\n%s", a.hash, a.button, want, f.requests())
		}
	}
}

// TestConfig_IsComparedAndValidated before it is applied.
func TestConfig_IsComparedAndValidated(t *testing.T) {
	t.Parallel()
	f, b := incident(t, "#/config", desktop)
	b.until("loaded", "document.querySelector('#yaml')?.value")
	b.click(".history button", "Compare")
	b.shows(".history .diff", "+   demo: { timeout: 1s }", "-   demo: { failure_threshold: 3")
	b.fill("#yaml", strings.ReplaceAll(configText, "timeout: 2s", "timeout: 3s"))
	b.click("#main .actions button", "Compare")
	b.shows(".outcome .diff", "-   demo: { rate_limit: per_user, breaker: demo, timeout: 2s }", "+   demo: { rate_limit: per_user, breaker: demo, timeout: 3s }")
	b.shoot("config-diff")
	f.refuse("the configuration is invalid", faults())
	b.click("#main button", "Validate")
	b.shows(".outcome", "the configuration is invalid", "foundation.yaml:9:38", "must be above 0")
	f.refuse("", nil)
	f.set(func() { f.frame.Config.Revision = 4 })
	b.shows(".outcome", "Another revision has come into force")
	if !strings.Contains(eval[string](b, "document.querySelector('#yaml').value"), "timeout: 3s") {
		t.Error("what somebody was writing is gone")
	}
}

// TestRefusals_AreTold in the dialog, which stays with what was typed.
func TestRefusals_AreTold(t *testing.T) {
	t.Parallel()
	f, b := incident(t, "#/breaker/demo", desktop)
	f.refuse("the breaker is gone", nil)
	b.click("button", "Force open")
	b.fill("dialog[open] input[name=reason]", "because")
	b.do("document.querySelector('dialog[open] button[type=submit]').click()")
	b.shows("dialog[open] .wrong", "the breaker is gone")
	b.shoot("refused")
	if got := eval[string](b, "document.querySelector('dialog[open] input[name=reason]').value"); got != "because" {
		t.Errorf("the reason is %q", got)
	}
}
