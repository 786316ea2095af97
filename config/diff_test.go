package config_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
)

func TestDiffSaysWhatHappensToState(t *testing.T) {
	old := parse(t, `
version: 1
breakers: { payments: { failure_threshold: 5 }, gone: {}, regrouped: {} }
rate_limits: { client: { limit: 5, per: 1s } }
pools:
  orders_db: { worker: postgres, options: { dsn: "${ORDERS_DSN}" }, size: 20 }
  reports: { worker: postgres, options: { dsn: a } }
guards: { g: { timeout: 1s }, same: { breaker: payments } }
motto: { text: be quick, author: "${ORDERS_DSN}" }
`)
	next := parse(t, `
version: 1
breakers: { payments: { failure_threshold: 7 }, fresh: {}, regrouped: { per: key } }
rate_limits: { client: { limit: 9, per: 1s } }
pools:
  orders_db: { worker: postgres, options: { dsn: "${ORDERS_DSN}" }, size: 10 }
  reports: { worker: postgres, options: { dsn: b } }
guards: { g: { timeout: 2s }, same: { breaker: payments } }
motto: { text: be slow, author: canary-canary-canary, every: 1m }
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
		"motto changed: author ${ORDERS_DSN} → (hidden), every default → 1m, text be quick → be slow; motto.every needs a restart",
	}
	changes := config.Diff(old, next, registry.Sections...)
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
