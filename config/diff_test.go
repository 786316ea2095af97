package config_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
)

func TestDiffSaysWhatHappensToState(t *testing.T) {
	old := parse(t, `
version: 1
admin: { tokens: [{ name: ops, token: "${ORDERS_DSN}" }] }
breakers: { payments: { failure_threshold: 5 }, gone: {}, regrouped: {} }
rate_limits: { client: { limit: 5, per: 1s } }
pools:
  orders_db: { worker: postgres, options: { dsn: "${ORDERS_DSN}" }, size: 20 }
  reports: { worker: postgres, options: { dsn: a } }
guards: { g: { timeout: 1s }, same: { breaker: payments } }
gateway: { listen: ":8080", routes: [{ match: /, upstream: "http://a" }] }
`)
	next := parse(t, `
version: 1
admin: { listen: "127.0.0.1:9999", tokens: [{ name: ops, token: canary-canary-canary }] }
breakers: { payments: { failure_threshold: 7 }, fresh: {}, regrouped: { per: key } }
rate_limits: { client: { limit: 9, per: 1s } }
pools:
  orders_db: { worker: postgres, options: { dsn: "${ORDERS_DSN}" }, size: 10 }
  reports: { worker: postgres, options: { dsn: b } }
guards: { g: { timeout: 2s }, same: { breaker: payments } }
gateway: { listen: ":8080", routes: [{ match: /, upstream: "http://b" }] }
`)
	want := []string{
		"breakers.fresh added; starts closed",
		"breakers.gone removed; its state is dropped",
		"breakers.payments changed: failure_threshold 5 → 7; keeps its state",
		"breakers.regrouped changed: per default → key; is made anew, closed",
		"rate_limits.client changed: limit 5 → 9; keeps what was used, the new settings hold from now on",
		"pools.orders_db changed: size 20 → 10; shrinks 20 → 10 by attrition",
		"pools.reports changed: options.dsn has another value; is opened anew, the old workers are drained",
		"guards.g changed: timeout 1s → 2s; the next call sees the new settings",
		"admin changed: listen default → 127.0.0.1:9999, tokens[0].token ${ORDERS_DSN} → (hidden); admin.listen needs a restart",
		"gateway changed: routes[0].upstream http://a → http://b",
	}
	changes := config.Diff(old, next)
	got := make([]string, len(changes))
	for i, c := range changes {
		got[i] = c.String()
		if strings.Contains(got[i], "canary") {
			t.Errorf("a secret is in %s", got[i])
		}
		if c.Restart != strings.Contains(got[i], "restart") {
			t.Errorf("%s: restart is %v", got[i], c.Restart)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if same := config.Diff(old, old.Clone()); len(same) > 0 {
		t.Errorf("nothing changed, but %v", same)
	}
}

func TestUsers(t *testing.T) {
	c := parse(t, `
version: 1
breakers: { b: {} }
rate_limits: { r: { limit: 5, per: 1s }, child: { limit: 5, per: 1s, parent: r } }
guards: { g: { rate_limit: r, breaker: b } }
gateway: { routes: [{ match: /, upstream: "http://a", guard: g }] }
`)
	for kind, want := range map[string]string{"circuit_breaker": `guard "g"`, "rate_limiter": `guard "g", rate limit "child"`, "guard": `route "/"`, "connection_pool": ""} {
		name := map[string]string{"circuit_breaker": "b", "rate_limiter": "r", "guard": "g"}[kind]
		if got := strings.Join(c.Users(kind, name), ", "); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}
