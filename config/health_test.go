package config_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/health"
)

// checkKinds are the kinds of check of the tests.
func checkKinds() map[string]health.Kind {
	return map[string]health.Kind{"tcp": health.TCP, "redis": func(target string) (func(context.Context) error, error) {
		if target == "" {
			return nil, errors.New("names no server")
		}
		return func(context.Context) error { return nil }, nil
	}}
}

const healthText = `version: 1
breakers: { payments: { consecutive_failures: 3 } }
health:
  checks:
    network: { tcp: "router:22", every: 5s, timeout: 1s, groups: [shop] }
    orders_db: { tcp: "db:5432", criticality: hard, readiness: true, depends_on: [network, breakers/payments], fail_after: 2, pass_after: 1 }
    cache: { kind: redis, target: "cache:6379", criticality: optional }
  parts:
    breakers/payments: { criticality: hard, readiness: true, groups: [shop] }
`

func TestHealth_IsReadWrittenAndCompared(t *testing.T) {
	c, err := config.Parse("f.yaml", []byte(healthText), config.ParseOptions{Registry: config.Registry{Checks: checkKinds()}})
	if err != nil {
		t.Fatal(err)
	}
	db := c.Health.Checks["orders_db"]
	if kind, target := db.What(); kind != "tcp" || target != "db:5432" || db.Criticality != health.Hard || !db.Readiness || db.FailAfter != 2 {
		t.Errorf("got %+v", db)
	}
	if p := c.Health.Parts["breakers/payments"]; p.Criticality != health.Hard || !p.Readiness {
		t.Errorf("got %+v", p)
	}
	again, err := config.Parse("f.yaml", []byte(c.String()), config.ParseOptions{Registry: config.Registry{Checks: checkKinds()}})
	if err != nil {
		t.Fatalf("%v\n%s", err, c)
	}
	if changes := config.Diff(c, again); len(changes) != 0 {
		t.Errorf("what was written is read back with %v", changes)
	}
	clone := c.Clone()
	clone.Health.Checks["orders_db"].DependsOn[0] = "cache"
	if db.DependsOn[0] != "network" {
		t.Error("a clone shares the dependencies")
	}
	if changes := config.Diff(c, clone); len(changes) != 1 || !strings.Contains(changes[0].String(), "keeps what it knows") {
		t.Errorf("got %v", changes)
	}
}

func TestHealth_RefusesAllAtOnceWithItsPlace(t *testing.T) {
	for text, want := range map[string]string{
		`checks: { db: { tcp: "db" } }`:                                                      `must be a host and a port`,
		`checks: { db: { tpc: "db:1" } }`:                                                    `did you mean "tcp"`,
		`checks: { db: {} }`:                                                                 `set one of tcp, http, sql and kind`,
		`checks: { db: { tcp: "db:1", kind: redis, target: x } }`:                            `has tcp and kind`,
		`checks: { db: { kind: rediss, target: x } }`:                                        `did you mean "redis"`,
		`checks: { db: { kind: redis } }`:                                                    `names no server`,
		`checks: { db: { tcp: "db:1", target: x } }`:                                         `belongs to kind`,
		`checks: { db: { http: "http://x/" } }`:                                              `this program has no check of this kind`,
		`checks: { db: { sql: order } }`:                                                     `there is no "order" under pools`,
		`checks: { db: { tcp: "db:1", every: 1s, timeout: 2s } }`:                            `is longer than every (1s)`,
		`checks: { db: { tcp: "db:1", every: 1ms } }`:                                        `must lie between 100ms and 24h0m0s`,
		`checks: { db: { tcp: "db:1", criticality: harsh } }`:                                `criticality`,
		`checks: { db: { tcp: "db:1", depends_on: [bd] }, bdd: { tcp: "x:1" } }`:             `did you mean`,
		`checks: { a: { tcp: "a:1", depends_on: [b] }, b: { tcp: "b:1", depends_on: [a] } }`: `a → b → a`,
		`checks: { a: { tcp: "a:1", depends_on: [breakers/pay] } }`:                          `there is no "pay" under breakers`,
		`checks: { foundation.x: { tcp: "a:1" } }`:                                           `the layer's own`,
		`parts: { payments: { readiness: true } }`:                                           `names no part`,
		`parts: { breakers/payment: { readiness: true } }`:                                   `did you mean "payments"`,
		`parts: { brakers/payments: { readiness: true } }`:                                   `did you mean "breakers"`,
		`checks: { db: { tcp: "db:1", fail_after: 99 } }`:                                    `must lie between 1 and 10`,
	} {
		_, err := config.Parse("f.yaml", []byte("version: 1\nbreakers: { payments: {} }\nhealth: { "+text+" }\n"), config.ParseOptions{Registry: config.Registry{Checks: checkKinds()}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "f.yaml:3:") {
			t.Errorf("%s: the place is missing: %v", text, err)
		}
	}
}

func TestHealth_LivenessOfWhatIsReachedOverTheNetworkIsAWarning(t *testing.T) {
	c, err := config.Parse("f.yaml", []byte("version: 1\nhealth: { checks: { db: { tcp: 'db:1', liveness: true } } }\n"), config.ParseOptions{Registry: config.Registry{Checks: checkKinds()}})
	if err != nil {
		t.Fatal(err)
	}
	warnings, err := c.Validate(config.Registry{Checks: checkKinds()})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Message, "restart does not help") {
		t.Errorf("got %v, %v", warnings, err)
	}
}

// What is reached over the network is for the local file to say: a document that came over
// the network must not make the daemon a probe of what stands behind it.
func TestHealth_ADocumentOfTheNetworkSetsNoTarget(t *testing.T) {
	over := parseHealth(t, nil, healthText)
	_, section, _ := strings.Cut(healthText, "health:")
	section = "health:" + section
	for name, tt := range map[string]struct{ old, next, refused string }{
		"left as it is":       {"", "", ""},
		"another interval":    {"every: 5s", "every: 6s", ""},
		"another address":     {"router:22", "metadata:80", "local file only"},
		"another target":      {"cache:6379", "internal:6379", "local file only"},
		"a check more":        {"    cache:", "    probe: { tcp: \"internal:22\" }\n    cache:", "local file only"},
		"a check less":        {"    cache: { kind: redis, target: \"cache:6379\", criticality: optional }\n", "", ""},
		"a part that decides": {"breakers/payments: { criticality: hard, readiness: true", "breakers/payments: { criticality: soft", ""},
		"off":                 {section, "health: off\n", ""},
	} {
		text := healthText
		if tt.old != "" {
			text = strings.Replace(healthText, tt.old, tt.next, 1)
			if text == healthText {
				t.Fatalf("%s: nothing to replace", name)
			}
		}
		_, err := config.Parse("request", []byte(text), config.ParseOptions{Registry: config.Registry{Checks: checkKinds()}, Over: over})
		if (err != nil) != (tt.refused != "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
			t.Errorf("%s: got %v, want %q", name, err, tt.refused)
		}
	}
}

func parseHealth(t *testing.T, over *config.Config, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("f.yaml", []byte(text), config.ParseOptions{Registry: config.Registry{Checks: checkKinds()}, Over: over})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
