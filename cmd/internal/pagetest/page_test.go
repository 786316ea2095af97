package pagetest_test

import (
	"testing"
	"time"
)

func TestViews(t *testing.T) {
	f := newFake(t)
	f.tell()
	f.frame.Config.LastReloadProblems = faults()
	f.beat(t, time.Second/2)
	b := open(t, f.URL, "/", desktop)
	b.shows("#verdict", "breaker demo is open")
	b.shows("#main", "payments", "forced closed")
	b.shoot("overview")
	for name, hash := range map[string]string{"breaker": "#/breaker/demo", "guard": "#/guard/demo", "limit": "#/rate_limit/per_user", "pool": "#/pool/orders_db", "memory": "#/memory", "health": "#/health", "alerts": "#/alerts", "events": "#/events", "config": "#/config", "overrides": "#/overrides"} {
		b.goTo(hash)
		b.until("data", "document.querySelector('#main .why h3, #main table, #main .events li, #main .history li, #main .overrides li')")
		b.do("new Promise((r) => setTimeout(r, 400))")
		b.look(look{width: 1440, height: 1500})
		b.shoot("v-" + name)
		b.look(look{width: 1440, height: 1500, dark: true})
		b.do("new Promise((r) => setTimeout(r, 100))")
		b.shoot("v-" + name + "-dark")
		b.look(look{width: 380, height: 1500})
		b.do("new Promise((r) => setTimeout(r, 100))")
		b.shoot("v-" + name + "-380")
		b.look(desktop)
	}
}
