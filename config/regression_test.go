package config_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
)

func TestCanary_NoSecretIsShownByAValueOrAPart(t *testing.T) {
	c := parse(t, `
version: 1
storage: { postgres: "${ORDERS_DSN}" }
pools:
  a: { worker: postgres, options: { dsn: "${ORDERS_DSN}" } }
  b: { worker: postgres, options: { dsn: "postgres://app:canary@db/orders" } }
`)
	for _, v := range []any{*c, struct{ C config.Config }{*c}, c.Pools, c.Pools["a"], []any{c.Pools["b"]}} {
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%T: %v", v, err)
		}
		if all := string(asJSON) + fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(all, "canary") {
			t.Errorf("%T: a secret is in %s", v, all)
		}
	}
}

// TestCanary_NoSecretIsInTheLinesThatErrorsQuote has secrets that are written into
// the file, in lines where something is wrong.
func TestCanary_NoSecretIsInTheLinesThatErrorsQuote(t *testing.T) {
	for _, text := range []string{
		`pools: { a: { worker: postgress, options: { dsn: "postgres://app:canary@db/orders", schema: canary } } }`,
		`pools: { a: { worker: postgres, options: { dns: "a-canary" } } }`,
		`pools: { a: { worker: postgres, options: { dsn: "a-c\u0061nary-x", schema: [] } } }`,
		`pools: { a: { worker: postgres, options: "a-canary" } }`,
		`pools: { a: { worker: postgres, option: { dsn: "a-canary" } } }`,
		`storage: { postgress: "a-canary" }`,
		`storage: { postgres: ["a-canary"] }`,
		`storage: { postgres: "postgres://app:canary@db/orders }`,
		`storage: { postgres: "postgres://app:canary@db/orders", path: [}`,
		`storage: { postgres: "host=db password=canary", path: [}`,
	} {
		_, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), options)
		if err == nil {
			t.Errorf("%s was accepted", text)
			continue
		}
		asJSON, _ := json.Marshal(err)
		if all := err.Error() + config.Render(err) + string(asJSON); strings.Contains(all, "canary") || strings.Contains(all, "nary-x") {
			t.Errorf("%s: a secret is in\n%s", text, config.Render(err))
		}
	}
}

func TestWhatMayBeASecretDoesNotGarbleMessages(t *testing.T) {
	_, err := config.Parse("foundation.yaml", []byte("version: 1\npools: { p1: { worker: postgress, options: { driver: postgres, n: 1 } } }"), options)
	if text := config.Render(err); !strings.Contains(text, `did you mean "postgres"?`) || !strings.Contains(text, "{ p1: { worker: postgress,") {
		t.Errorf("it says\n%s", text)
	}
}

func TestAChangedCloneIsShownAsItIs(t *testing.T) {
	c := parse(t, `
version: 1
rate_limits: { a: { limit: "${LIMIT}", per: 1s } }
storage: { postgres: "${ORDERS_DSN}" }
`)
	next := c.Clone()
	rule := next.RateLimits["a"]
	rule.Limit = 9
	next.RateLimits["a"] = rule
	next.Storage.Postgres = "postgres://elsewhere"
	text := next.String()
	if strings.Contains(text, "${") || !strings.Contains(text, "limit: 9") {
		t.Errorf("it is shown as\n%s", text)
	}
	changes := config.Diff(c, next)
	if len(changes) != 2 || !reflect.DeepEqual(changes[0].Fields, []config.FieldChange{{Field: "limit", Old: "${LIMIT}", New: "9"}}) {
		t.Errorf("the plan says %v", changes)
	}
}

func TestNoDurationIsNegativeInPart(t *testing.T) {
	text := "version: 1\nbreakers: { a: { cooldown: -1d24h1m } }"
	if _, err := config.Parse("foundation.yaml", []byte(text), options); err == nil {
		t.Error("-1d24h1m was read as a minute")
	}
}

// TestScenario88_HugeConfigurationsAreComparedInOneGo would take minutes if each
// part looked through all of the others.
func TestScenario88_HugeConfigurationsAreComparedInOneGo(t *testing.T) {
	c := &config.Config{Breakers: make(map[string]config.Breaker)}
	for i := range 30_000 {
		c.Breakers[fmt.Sprintf("b%d", i)] = config.Breaker{Config: breaker.Config{Window: time.Second}}
	}
	next := c.Clone()
	next.Breakers["b7"] = config.Breaker{Config: breaker.Config{Window: time.Minute}}
	if changes := config.Diff(c, next); len(changes) != 1 || changes[0].Name != "b7" {
		t.Errorf("it finds %v", changes)
	}
}
