package settings_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/pool"
)

// dbOptions are the options of the kind of worker that tests use.
type dbOptions struct {
	DSN string `yaml:"dsn" config:"secret"`
}

var registry = config.Registry{
	Sections: settings.Sections(),
	Kinds: map[string]pool.Kind{
		"postgres": pool.KindOf(func(dbOptions) (pool.Factory[int], error) {
			return pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }}, nil
		}),
	},
}

var env = map[string]string{
	"ORDERS_DSN": "postgres://app:canary-password@db/orders", "BAD_DSN": "bad-canary-secret", "NOT_A_URL": "canary-url",
}

var options = config.ParseOptions{
	LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	Registry:  registry,
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("foundation.yaml", []byte(text), options)
	if err != nil {
		t.Fatal(config.Render(err))
	}
	return c
}

func TestFullFile(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(text))
	if g := settings.GatewayOf(c).WithDefaults(); g.Drain.Timeout != 25*time.Second || g.Routes[0].Key != "{remote_ip}" {
		t.Errorf("gateway: %+v", g)
	}
	if a := settings.AdminOf(c); a.Listen != "127.0.0.1:9181" {
		t.Errorf("admin: %+v", a)
	}
	if again := parse(t, c.String()); !equal(c, again) {
		t.Errorf("%s\nis read as\n%s", c, again)
	}
	testkit.Golden(t, "testdata/full.golden", c.String(), *update)
	d := c.Clone()
	settings.GatewayOf(d).Routes[0].Match = "/x"
	if settings.GatewayOf(c).Routes[0].Match == "/x" || equal(c, d) {
		t.Error("a change of the clone changed the original")
	}
}

func TestSectionsThatAreLeftOutHaveTheirDefaults(t *testing.T) {
	c := parse(t, "version: 1\nadmin:\n")
	if settings.GatewayOf(c) != nil || settings.AdminOf(c).Listen != settings.DefaultAdminListen || settings.ProbesOf(c).Listen != "" {
		t.Errorf("got %s", c)
	}
}

func TestEveryKindOfMistakeHasItsPlace(t *testing.T) {
	for _, c := range []struct{ name, text, pos, message string }{
		{"admin open to all", "version: 1\nadmin: {listen: \":9181\"}", "2:17", "others can reach"},
		{"admin address", "version: 1\nadmin: {listen: \"9181\"}", "2:17", "host:port"},
		{"admin port", "version: 1\nadmin: {listen: \"127.0.0.1:99999\"}", "2:17", "from 0 to 65535"},
		{"short token", "version: 1\nadmin: {tokens: [{name: a, token: short}]}", "2:35", "at least 16"},
		{"role", "version: 1\nadmin: {tokens: [{name: a, token: 0123456789abcdef, role: writte}]}", "2:59", `did you mean "write"?`},
		{"upstream", "version: 1\ngateway: {routes: [{match: /, upstream: localhost:9000}]}", "2:41", "http or https URL"},
		{"no upstream", "version: 1\ngateway:\n  routes:\n    - match: /", "4:7", "is missing"},
		{"pattern", "version: 1\ngateway: {routes: [{match: \"/{\", upstream: http://a}]}", "2:28", "invalid pattern"},
		{"same pattern", "version: 1\ngateway:\n  routes:\n    - {match: /a, upstream: http://a}\n    - {match: /a, upstream: http://a}", "5:15", "the same pattern as gateway.routes[0].match at foundation.yaml:4:15"},
		{"conflict", "version: 1\ngateway:\n  routes:\n    - {match: \"/{x}/b\", upstream: http://a}\n    - {match: \"/a/{y}\", upstream: http://a}", "5:15", "at foundation.yaml:4:15"},
		{"key", "version: 1\ngateway: {routes: [{match: /, upstream: http://a, key: \"{remote}\"}]}", "2:56", "is not known"},
		{"proxy", "version: 1\ngateway: {trusted_proxies: [10.0.0.0/33]}", "2:29", "invalid address or network"},
		{"access log", "version: 1\ngateway: {access_log: {mode: al}}", "2:30", `did you mean "all"?`},
		{"route with pool", "version: 1\npools: {p: {worker: postgres, options: {dsn: x}}}\nguards: {g: {pool: p}}\ngateway: {routes: [{match: /, upstream: http://a, guard: g}]}", "4:58", "has a pool"},
		{"same address", "version: 1\nprobes: {listen: \":8080\"}\ngateway: {listen: \":8080\"}", "3:19", "is also probes.listen"},
		{"tls", "version: 1\ngateway:\n  tls: {cert_file: a}", "3:3", "is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("foundation.yaml", []byte(c.text), options)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || len(f.Problems()) != 1 {
				t.Fatalf("got %v", err)
			}
			p := f.Problems()[0]
			if p.Position != "foundation.yaml:"+c.pos || !strings.Contains(p.Message, c.message) || !strings.HasSuffix(p.Excerpt, "^") {
				t.Errorf("want %s at %s, got\n%s", c.message, c.pos, config.Render(err))
			}
		})
	}
}

func TestDiff_WhatNeedsARestart(t *testing.T) {
	old := parse(t, `
version: 1
admin: { tokens: [{ name: ops, token: "${ORDERS_DSN}" }] }
gateway: { listen: ":8080", routes: [{ match: /, upstream: "http://a" }] }
`)
	next := parse(t, `
version: 1
admin: { listen: "127.0.0.1:9999", tokens: [{ name: ops, token: canary-canary-canary }] }
gateway: { listen: ":8080", routes: [{ match: /, upstream: "http://b" }], limits: { max_header: 1MiB } }
`)
	want := []string{
		"admin changed: listen default → 127.0.0.1:9999, tokens[0].token ${ORDERS_DSN} → (hidden); admin.listen needs a restart",
		"gateway changed: limits.max_header default → 1MiB, routes[0].upstream http://a → http://b; gateway.limits.max_header needs a restart",
	}
	changes := config.Diff(old, next, registry.Sections...)
	if got := fmt.Sprint(changes); got != fmt.Sprint(want) {
		t.Errorf("got %s", got)
	}
}

func TestCanary_NoSecretIsShown(t *testing.T) {
	for _, text := range []string{
		"admin: {listen: \"${ORDERS_DSN}\"}",
		"gateway: {listen: \"${ORDERS_DSN}\", trusted_proxies: [\"${ORDERS_DSN}\"], routes: [{match: \"${NOT_A_URL}\", upstream: \"${ORDERS_DSN}\", key: \"{${BAD_DSN}}\", priority: \"${BAD_DSN}\"}]}",

		`admin: { tokens: [{ name: ops, token: !!str canary-written-into-the-file }] }`,
		`admin: { tokens: canary-written-into-the-file }`,
		`admin: { tokens: [canary-written-into-the-file] }`,
		`admin: { token: [canary-written-into-the-file] }`,
		`admin: { tokens: [{ name: ops, token: 0123456789abcdef, token: canary-in-the-file }] }`,
	} {
		_, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), options)
		if err == nil {
			t.Errorf("%s was accepted", text)
			continue
		}
		asJSON, _ := json.Marshal(err)
		if all := err.Error() + config.Render(err) + string(asJSON); strings.Contains(all, "canary") {
			t.Errorf("%s: a secret is in\n%s", text, config.Render(err))
		}
	}
	c := parse(t, "version: 1\nadmin: { tokens: [{ name: ops, token: canary-written-into-the-file }] }")
	asJSON, _ := json.Marshal(c)
	if all := fmt.Sprintf("%v %+v %#v", c, c, c) + string(asJSON); strings.Contains(all, "canary") {
		t.Errorf("a secret is in %s", all)
	}
}

func TestManyRoutesAreReadInOneGo(t *testing.T) {
	var b strings.Builder
	b.WriteString("version: 1\ngateway:\n  routes:\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "    - {match: /a%d, upstream: \"http://a\"}\n", i)
	}
	if _, err := config.Parse("huge.yaml", []byte(b.String()), options); err != nil {
		t.Errorf("many routes: %.500v", err)
	}
}

// A limit for all clients together is what one of them can use up.
func TestWarnsOfPlacesThatOneClientCanHold(t *testing.T) {
	const text = "version: 1\nguards: { g: { concurrency: 8 }, none: {} }\n" +
		"gateway: { routes: [ { match: /, upstream: \"http://a\", guard: %s, %s } ] }\n"
	for _, c := range []struct {
		guard, rest, want string
	}{
		{"g", `key: "{remote_ip}"`, "one client can hold all 8 places"},
		{"g", `key: "a/{header:X-User}"`, "one client can hold all 8 places"},
		{"g", `key: "{remote_ip}", max_in_flight_per_key: 2`, ""},
		{"g", `key: "{remote_ip}", max_in_flight_per_key: 0`, ""}, // it was meant
		{"g", `key: "{path:1}"`, ""},
		{"none", `key: "{remote_ip}"`, ""},
		{"g", `key: "{remote_ip}/{header:X-User}", max_in_flight_per_key: 2`, ""},
		{"g", `key: "{header:X-User}", max_in_flight_per_key: 2`, "a client escapes it"},
	} {
		w := warnings(t, parse(t, fmt.Sprintf(text, c.guard, c.rest)))
		if c.want == "" && len(w) > 0 || c.want != "" && (len(w) != 1 ||
			w[0].Field != "gateway.routes[0].max_in_flight_per_key" || !strings.Contains(w[0].Message, c.want)) {
			t.Errorf("%s %s: %v", c.guard, c.rest, w)
		}
	}
	_, err := config.Parse("f.yaml", fmt.Appendf(nil, text, "g", "max_in_flight_per_key: 2"), options)
	if err == nil || !strings.Contains(err.Error(), "needs a key") {
		t.Errorf("a limit by key without a key: %v", err)
	}
}

func TestWarnsOfKeysThatClientsChoose(t *testing.T) {
	const text = `
version: 1
rate_limits:
  address: { limit: 100, per: 1m, parts: 1 }
  client: { limit: 10, per: 1m, parent: %s }
guards: { g: { rate_limit: client } }
gateway: { routes: [{ match: /, upstream: http://a, guard: g, key: "%s" }] }
`
	for _, c := range []struct {
		parent, key string
		warned      bool
	}{
		{`""`, "{header:X-Api-Key}", true},
		{`""`, "{remote_ip}/{header:X-Api-Key}", true},
		{"address", "{remote_ip}/{header:X-Api-Key}", false},
		{"address", "{header:X-Api-Key}/{remote_ip}", true},
		{`""`, "{remote_ip}", false},
	} {
		w := warnings(t, parse(t, fmt.Sprintf(text, c.parent, c.key)))
		if (len(w) == 1) != c.warned || c.warned && !strings.HasPrefix(w[0].Position, "foundation.yaml:7:") {
			t.Errorf("%s below %s: %v", c.key, c.parent, w)
		}
	}
}

func TestParseKey(t *testing.T) {
	parts, err := settings.ParseKey("{header:X-Org}/{remote_ip}/{path:2}/x")
	want := []settings.KeyPart{{Kind: settings.KeyHeader, Text: "X-Org"}, {Kind: settings.KeyRemoteIP}, {Kind: settings.KeyPath, Index: 2}, {Kind: settings.KeyLiteral, Text: "x"}}
	if err != nil || !reflect.DeepEqual(parts, want) {
		t.Errorf("got %v, %v", parts, err)
	}
	for _, bad := range []string{"{", "{}", "{header}", "{header:}", "{header:a b}", "{cookie:}", "{path:0}", "{path:x}", "{ip}", "a//b", "a}b", "1/2/3/4/5"} {
		if _, err := settings.ParseKey(bad); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestWarnings_TokensInTheClear(t *testing.T) {
	const text = "version: 1\nadmin: { listen: %q, tokens: [ { name: ops, token: 0123456789abcdef } ]%s }\n"
	const tls = ", tls: { cert_file: /c, key_file: /k }"
	for _, c := range []struct {
		listen, more string
		want         int
	}{
		{":9181", "", 1},
		{"10.0.0.1:9181", "", 1},
		{"[::]:9181", "", 1},
		{"admin.example.org:9181", "", 1},
		{":9181", tls, 0},
		{"127.0.0.1:9181", "", 0},
		{"[::1]:9181", "", 0},
		{"LOCALHOST:9181", "", 0},
		{"off", "", 0},
	} {
		w := warnings(t, parse(t, fmt.Sprintf(text, c.listen, c.more)))
		if len(w) != c.want || c.want > 0 && (w[0].Field != "admin.listen" || !strings.Contains(w[0].Message, "in the clear")) {
			t.Errorf("%s%s: %v", c.listen, c.more, w)
		}
	}
}

func warnings(t *testing.T, c *config.Config) []fault.Problem {
	t.Helper()
	warnings, err := c.Validate(registry)
	if err != nil {
		t.Fatal(err)
	}
	return warnings
}

// equal reports whether both set the same.
func equal(a, b *config.Config) bool { return len(config.Diff(a, b, settings.Sections()...)) == 0 }
