package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

const sharedHead = "version: 1\nnamespace: shop\nshared: { redis: \"redis://u:canary-redis@h:6379\" }\n"

func TestFaultsOfSharedRules(t *testing.T) {
	for _, c := range []struct{ name, text, pos, message string }{
		{"no namespace", "version: 1\nshared: { redis: x }", "2:1", "a namespace of their own"},
		{"the default namespace", "version: 1\nnamespace: default\nshared: { redis: x }", "2:12", "a namespace of their own"},
		{"no server", "version: 1\nnamespace: shop\nshared: { timeout: 5ms }", "3:1", "is missing: the URL"},
		{"a timeout that nothing keeps", "version: 1\nnamespace: shop\nshared: { redis: x, timeout: 10us }", "3:30", "between 1ms and 1s"},
		{"a timeout of an eternity", "version: 1\nnamespace: shop\nshared: { redis: x, timeout: 5s }", "3:30", "between 1ms and 1s"},
		{"no section", "version: 1\nnamespace: shop\nrate_limits: { a: { limit: 8, scope: shared } }", "3:38", "no section shared"},
		{"an unknown scope", sharedHead + "rate_limits: { a: { limit: 8, scope: global } }", "4:38", "shared"},
		{"an unknown fall-back", sharedHead + "rate_limits: { a: { limit: 8, scope: shared, on_error: open } }", "4:56", "local"},
		{"a fall-back of nothing", sharedHead + "rate_limits: { a: { limit: 8, on_error: deny } }", "4:41", "needs scope: shared"},
		{"the default fall-back of nothing", sharedHead + "rate_limits: { a: { limit: 8, scope: local, on_error: local } }", "4:55", "needs scope: shared"},
		{"prefetch of nothing", sharedHead + "rate_limits: { a: { limit: 8, prefetch: 2 } }", "4:41", "needs scope: shared"},
		{"too much ahead", sharedHead + "rate_limits: { a: { limit: 8, scope: shared, prefetch: 3 } }", "4:56", "at most 2"},
		{"more ahead than at once", sharedHead + "rate_limits: { a: { limit: 100, burst: 8, scope: shared, prefetch: 3 } }", "4:68", "at most 2"},
		{"nothing ahead", sharedHead + "rate_limits: { a: { limit: 8, scope: shared, prefetch: 0 } }", "4:56", "must not be 0"},
		{"a limit that is not counted exactly", sharedHead + "rate_limits: { a: { limit: 2000000000000, scope: shared } }", "4:28", "at most 1000000000000"},
		{"an override that is not", sharedHead + "rate_limits: { a: { limit: 8, scope: shared, overrides: { acme: { limit: 2000000000000 }, probe: exempt } } }", "4:74", "at most 1000000000000"},
		{"a burst that is not", sharedHead + "rate_limits: { a: { limit: 1, per: 365d, burst: 100, scope: shared } }", "4:49", "at most 10 "},
		{"a time that no store has", sharedHead + "rate_limits: { a: { limit: 8, per: 1500ns, scope: shared } }", "4:36", "microseconds"},
		{"less than nothing ahead", sharedHead + "rate_limits: { a: { limit: 8, scope: shared, prefetch: -1 } }", "4:56", "must"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("foundation.yaml", []byte(c.text), options)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || len(f.Problems()) != 1 {
				t.Fatalf("got %v", config.Render(err))
			}
			if p := f.Problems()[0]; p.Position != "foundation.yaml:"+c.pos || !strings.Contains(p.Message, c.message) {
				t.Errorf("want %q at %s, got\n%s", c.message, c.pos, config.Render(err))
			}
			if strings.Contains(config.Render(err), "canary") {
				t.Errorf("the URL is in\n%s", config.Render(err))
			}
		})
	}
}

// A document of the network keeps the section, whether it shows it or leaves it out, and cannot
// send the counters elsewhere; the rules themselves it may share.
func TestADocumentOfTheNetworkLeavesTheSharedStoreAsItIs(t *testing.T) {
	local := parse(t, sharedHead+"rate_limits: { a: { limit: 8 } }")
	over := options
	over.Over = local
	rules := "version: 1\nnamespace: shop\nrate_limits: { a: { limit: 8, scope: shared, on_error: deny, prefetch: 2 } }\n"
	for _, text := range []string{rules, rules + "shared: { redis: (hidden) }", local.String()} {
		c, err := config.Parse("network", []byte(text), over)
		if err != nil || c.Shared == nil || string(c.Shared.Redis) != "redis://u:canary-redis@h:6379" {
			t.Errorf("%s: %v", text, config.Render(err))
		}
		if strings.Contains(c.String(), "canary") {
			t.Errorf("the URL is in\n%s", c)
		}
	}
	for _, text := range []string{"shared: { redis: redis://elsewhere }", "shared: { redis: (hidden), timeout: 1s }", "shared: { redis: \"${ORDERS_DSN}\" }"} {
		if _, err := config.Parse("network", []byte(rules+text), over); !errors.Is(err, fault.InvalidConfig) || !strings.Contains(config.Render(err), "local file") {
			t.Errorf("%s: %v", text, err)
		}
	}
	without := options
	without.Over = parse(t, "version: 1\nnamespace: shop\n")
	if _, err := config.Parse("network", []byte(sharedHead), without); !strings.Contains(config.Render(err), "local file only") {
		t.Errorf("a store that the file does not have: %v", err)
	}
}

func TestWhatHappensToSharedCounters(t *testing.T) {
	const head = "version: 1\nnamespace: shop\n"
	file := func(shared, rule string) *config.Config {
		return parse(t, head+shared+"rate_limits: { a: { limit: 8"+rule+" } }\n")
	}
	const store = "shared: { redis: one }\n"
	for _, c := range []struct {
		name      string
		old, next *config.Config
		want      string
	}{
		{"a store comes", file("", ""), file(store, ""), "shared added; the store is opened; nothing in this process is lost"},
		{"a store goes", file(store, ""), file("", ""), "shared removed; the store is closed; its counters stay there until they expire"},
		{"another store", file(store, ""), file("shared: { redis: two }\n", ""), "shared changed: redis has another value; the new store is opened and the old one closed; what was used there does not count in the new one"},
		{"another timeout", file(store, ""), file("shared: { redis: one, timeout: 20ms }\n", ""), "shared changed: timeout default → 20ms; holds from the next call"},
		{"a rule is shared", file(store, ""), file(store, ", scope: shared"), "rate_limits.a changed: scope default → shared; counts in the shared store from now on; what was used here does not count there"},
		{"a rule is no longer", file(store, ", scope: shared"), file(store, ""), "rate_limits.a changed: scope shared → default; counts in this process alone from now on; what was used in the shared store does not count here"},
		{"another fall-back", file(store, ", scope: shared"), file(store, ", scope: shared, on_error: deny"), "rate_limits.a changed: on_error default → deny; keeps what was used, the new settings hold from now on"},
	} {
		changes := config.Diff(c.old, c.next, registry.Sections...)
		if len(changes) != 1 || changes[0].String() != c.want || changes[0].Restart {
			t.Errorf("%s: %v", c.name, changes)
		}
	}
}
