package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// dbOptions are the options of the kind of worker that tests use.
type dbOptions struct {
	// DSN is the connection string.
	DSN string `yaml:"dsn"     config:"secret"`
	// Schema is the schema.
	Schema  string        `yaml:"schema"`
	Timeout time.Duration `yaml:"timeout"`
}

func (o *dbOptions) Validate() error {
	var ps fault.Problems
	ps.Require(o.DSN != "", "options.dsn", "", "is missing")
	ps.Require(!strings.Contains(o.DSN, "bad"), "dsn", o.DSN, "the database %q is bad", o.DSN)
	return ps.Err("connection_pool", "")
}

var kinds = map[string]pool.Kind{
	"postgres": pool.KindOf(func(dbOptions) (pool.Factory[int], error) {
		return pool.Funcs[int]{Make: func(context.Context) (int, error) { return 1, nil }}, nil
	}),
}

// env is the environment of the tests.
var env = map[string]string{
	"ORDERS_DSN": "postgres://app:canary-password@db/orders", "BAD_DSN": "bad-canary-secret", "LIMIT": "7",
	"NOT_A_NUMBER": "canary-number", "NOT_A_MODE": "canary-mode", "NOT_A_URL": "canary-url",
}

var options = config.ParseOptions{
	LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	Kinds:     kinds,
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("foundation.yaml", []byte(text), options)
	if err != nil {
		t.Fatal(config.Render(err))
	}
	return c
}

// golden compares got with a file below testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	goldenFile(t, filepath.Join("testdata", name), got)
}

func goldenFile(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as it was; look, then run twice: go test ./config -update. %s", path, firstDifference(got, string(want)))
	}
}

func firstDifference(got, want string) string {
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i, line := range gotLines {
		if i >= len(wantLines) || line != wantLines[i] {
			return fmt.Sprintf("From line %d:\n%s", i+1, strings.Join(gotLines[i:min(len(gotLines), i+20)], "\n"))
		}
	}
	return fmt.Sprintf("It ends in line %d", len(gotLines))
}

func TestFullFile(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(text))
	b := c.Breakers["payments"]
	if b.FailureThreshold != 5 || b.Window != 10*time.Second || b.Cooldown != 30*time.Second || b.Probes != 1 {
		t.Errorf("breaker: %+v", b)
	}
	if r := c.RateLimits["nothing"]; r.Limit != -1 {
		t.Errorf("an explicit limit of 0 became %d, want -1: none", r.Limit)
	}
	p := c.Pools["orders_db"]
	if o, ok := p.Options.(*dbOptions); !ok || o.DSN != env["ORDERS_DSN"] || p.MaxOverflow != 2 || p.CheckoutTimeout != 3*time.Second {
		t.Errorf("pool: %+v, options %v", p.Config, p.Options)
	}
	if g := c.Guards["checkout"]; g.Priority.String() != "critical" || g.Timeout != 2*time.Second || g.Concurrency != 64 {
		t.Errorf("guard: %+v", g)
	}
	if g := c.Gateway.WithDefaults(); g.Drain.Timeout != 25*time.Second || g.Routes[0].Key != "{remote_ip}" {
		t.Errorf("gateway: %+v", g)
	}
	if w := c.Warnings(); len(w) != 1 || w[0].Field != "rate_limits.nothing.limit" {
		t.Errorf("want the warning that one rule refuses every call, got %v", w)
	}
}

func TestFiveMistakesAreReportedAtOnce(t *testing.T) {
	text, err := os.ReadFile("testdata/five.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.Parse("five.yaml", text, options)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig || len(f.Problems()) != 5 {
		t.Errorf("%d problems: %v", len(f.Problems()), err)
	}
	golden(t, "five.golden", config.Render(err))
}

func TestEveryKindOfMistakeHasItsPlace(t *testing.T) {
	for _, c := range []struct{ name, text, pos, message string }{
		{"no version", "namespace: x", "1:1", "version: 1"},
		{"wrong version", "version: 2", "1:10", "reads version 1"},
		{"namespace", "version: 1\nnamespace: A b", "2:12", "a name has"},
		{"breaker's name", "version: 1\nbreakers: {Pay!: {}}", "2:12", "a name has"},
		{"part's own check", "version: 1\nbreakers: {a: {window: 48h}}", "2:24", "24"},
		{"unknown section", "version: 1\nbreaker: {}", "2:1", `did you mean "breakers"?`},
		{"unknown setting", "version: 1\nbreakers: {a: {windw: 3s}}", "2:16", `did you mean "window"?`},
		{"unknown guard breaker", "version: 1\nbreakers: {payments: {}}\nguards: {a: {breaker: paymets}}", "3:23", `did you mean "payments"?`},
		{"unknown rule", "version: 1\nguards: {a: {rate_limit: x}}", "2:26", `no "x" under rate_limits`},
		{"unknown pool", "version: 1\nguards: {a: {pool: x}}", "2:20", `no "x" under pools`},
		{"unknown parent", "version: 1\nrate_limits: {a: {limit: 1, per: 1s, parent: b}}", "2:46", `no "b"`},
		{"own parent", "version: 1\nrate_limits: {a: {limit: 1, per: 1s, parent: a}}", "2:46", "a → a"},
		{"long chain", "version: 1\nrate_limits:\n" + chain(9), "11:35", "more than 8 rules"},
		{"unknown kind", "version: 1\npools: {a: {worker: postgras}}", "2:21", `did you mean "postgres"?`},
		{"no kind", "version: 1\npools:\n  a: {size: 1}", "3:3", "worker"},
		{"unknown option", "version: 1\npools: {a: {worker: postgres, options: {dsm: x}}}", "2:41", `did you mean "dsn"?`},
		{"option without unit", "version: 1\npools: {a: {worker: postgres, options: {dsn: x, timeout: 3}}}", "2:58", "3 of what"},
		{"option missing", "version: 1\npools: {a: {worker: postgres, options: {schema: x}}}", "2:31", "is missing"},
		{"option refused", "version: 1\npools: {a: {worker: postgres, options: {dsn: bad}}}", "2:46", "is bad"},
		{"mode", "version: 1\nbreakers: {a: {mode: shadw}}", "2:22", `did you mean "shadow"?`},
		{"zero", "version: 1\nbreakers: {a: {failure_threshold: 0}}", "2:35", "must not be 0"},
		{"variable", "version: 1\nbreakers: {a: {window: \"${NOPE}\"}}", "2:24", "NOPE is not set"},
		{"admin open to all", "version: 1\nadmin: {listen: \":9181\"}", "2:17", "others can reach"},
		{"admin address", "version: 1\nadmin: {listen: \"9181\"}", "2:17", "host:port"},
		{"admin port", "version: 1\nadmin: {listen: \"127.0.0.1:99999\"}", "2:17", "from 0 to 65535"},
		{"short token", "version: 1\nadmin: {tokens: [{name: a, token: short}]}", "2:35", "at least 16"},
		{"role", "version: 1\nadmin: {tokens: [{name: a, token: 0123456789abcdef, role: writte}]}", "2:59", `did you mean "write"?`},
		{"two stores", "version: 1\nstorage: {path: a, postgres: b}", "2:30", "together with path"},
		{"upstream", "version: 1\ngateway: {routes: [{match: /, upstream: localhost:9000}]}", "2:41", "http or https URL"},
		{"no upstream", "version: 1\ngateway:\n  routes:\n    - match: /", "4:7", "is missing"},
		{"pattern", "version: 1\ngateway: {routes: [{match: \"/{\", upstream: http://a}]}", "2:28", "is no pattern"},
		{"same pattern", "version: 1\ngateway:\n  routes:\n    - {match: /a, upstream: http://a}\n    - {match: /a, upstream: http://a}", "5:15", "the same pattern as gateway.routes[0].match at foundation.yaml:4:15"},
		{"conflict", "version: 1\ngateway:\n  routes:\n    - {match: \"/{x}/b\", upstream: http://a}\n    - {match: \"/a/{y}\", upstream: http://a}", "5:15", "at foundation.yaml:4:15"},
		{"key", "version: 1\ngateway: {routes: [{match: /, upstream: http://a, key: \"{remote}\"}]}", "2:56", "is not known"},
		{"proxy", "version: 1\ngateway: {trusted_proxies: [10.0.0.0/33]}", "2:29", "no address or network"},
		{"access log", "version: 1\ngateway: {access_log: {mode: al}}", "2:30", `did you mean "all"?`},
		{"route with pool", "version: 1\npools: {p: {worker: postgres, options: {dsn: x}}}\nguards: {g: {pool: p}}\ngateway: {routes: [{match: /, upstream: http://a, guard: g}]}", "4:58", "has a pool"},
		{"same address", "version: 1\nprobes: {listen: \":8080\"}\ngateway: {listen: \":8080\"}", "3:19", "is also probes.listen"},
		{"tls", "version: 1\ngateway:\n  tls: {cert_file: a}", "3:3", "is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := config.Parse("foundation.yaml", []byte(c.text), options)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || len(f.Problems()) == 0 {
				t.Fatalf("got %v", err)
			}
			p := f.Problems()[0]
			if p.Position != "foundation.yaml:"+c.pos || !strings.Contains(p.Message, c.message) || !strings.HasSuffix(p.Excerpt, "^") {
				t.Errorf("want %s at %s, got\n%s", c.message, c.pos, config.Render(err))
			}
			if len(f.Problems()) > 1 {
				t.Errorf("one mistake is reported %d times:\n%s", len(f.Problems()), config.Render(err))
			}
		})
	}
}

// chain returns n rules, each the parent of the next.
func chain(n int) string {
	text := "  r1: {limit: 1, per: 1s}\n"
	for i := 2; i <= n; i++ {
		text += fmt.Sprintf("  r%d: {limit: 1, per: 1s, parent: r%d}\n", i, i-1)
	}
	return text
}

func TestCanary_NoSecretIsShownAnywhere(t *testing.T) {
	c := parse(t, `
version: 1
admin: { tokens: [{ name: ops, token: canary-written-into-the-file }] }
storage: { postgres: "${ORDERS_DSN}" }
pools:
  orders_db: { worker: postgres, options: { dsn: "${ORDERS_DSN}" } }
rate_limits: { a: { limit: "${LIMIT}", per: 1s } }
`)
	if c.RateLimits["a"].Limit != 7 {
		t.Errorf("the limit is %d", c.RateLimits["a"].Limit)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{c.String(), fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c), string(asJSON), fmt.Sprintf("%v", struct{ C *config.Config }{c}.C)}
	for _, s := range shown {
		if strings.Contains(s, "canary") {
			t.Errorf("a secret is in %s", s)
		}
	}
	if s := c.String(); !strings.Contains(s, "${ORDERS_DSN}") || !strings.Contains(s, "${LIMIT}") {
		t.Errorf("variables are not shown as written:\n%s", s)
	}
	if _, source := c.Source(); strings.Contains(string(source), env["ORDERS_DSN"]) {
		t.Error("the source is expanded")
	}
}

func TestCanary_NoSecretIsInErrors(t *testing.T) {
	for _, text := range []string{
		"breakers: {a: {window: \"${NOT_A_NUMBER}\"}}",
		"breakers: {a: {mode: \"${NOT_A_MODE}\", failure_threshold: \"${NOT_A_NUMBER}\", failure_ratio: \"${NOT_A_NUMBER}\"}}",
		"pools: {a: {worker: postgres, options: {dsn: \"${BAD_DSN}\"}}}",
		"pools: {a: {worker: \"${BAD_DSN}\"}}",
		"pools: {a: {worker: postgres, size: \"${NOT_A_NUMBER}\", options: {dsn: bad-canary-in-the-file}}}",
		"guards: {a: {breaker: \"${BAD_DSN}\"}}",
		"namespace: \"${BAD_DSN}!\"",
		"admin: {listen: \"${ORDERS_DSN}\"}",
		"gateway: {listen: \"${ORDERS_DSN}\", trusted_proxies: [\"${ORDERS_DSN}\"], routes: [{match: \"${NOT_A_URL}\", upstream: \"${ORDERS_DSN}\", key: \"{${BAD_DSN}}\", priority: \"${BAD_DSN}\"}]}",
	} {
		_, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), options)
		if err == nil {
			t.Errorf("%s was accepted", text)
			continue
		}
		asJSON, _ := json.Marshal(err)
		if all := err.Error() + config.Render(err) + string(asJSON) + fmt.Sprintf("%+v", err); strings.Contains(all, "canary") {
			t.Errorf("%s: a secret is in\n%s", text, all)
		}
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
		w := parse(t, fmt.Sprintf(text, c.guard, c.rest)).Warnings()
		if c.want == "" && len(w) > 0 || c.want != "" && (len(w) != 1 ||
			w[0].Field != "gateway.routes[0].max_in_flight_per_key" || !strings.Contains(w[0].Message, c.want)) {
			t.Errorf("%s %s: %v", c.guard, c.rest, w)
		}
	}
	_, err := config.Parse("f.yaml", fmt.Appendf(nil, text, "g", "max_in_flight_per_key: 2"), config.ParseOptions{})
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
		w := parse(t, fmt.Sprintf(text, c.parent, c.key)).Warnings()
		if (len(w) == 1) != c.warned || c.warned && !strings.HasPrefix(w[0].Position, "foundation.yaml:7:") {
			t.Errorf("%s below %s: %v", c.key, c.parent, w)
		}
	}
}

func TestRenderedConfigIsReadBack(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(text))
	again := parse(t, c.String())
	if !c.Equal(again) {
		t.Errorf("%s\nis read as\n%s", c, again)
	}
	golden(t, "full.golden", c.String())
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "foundation.yaml")
	secret := filepath.Join(dir, "token")
	if err := os.WriteFile(secret, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "version: 1\nadmin: {tokens: [{name: ops, token: \"${file:" + secret + "}\"}]}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.ParseOptions{})
	if err != nil || c.Admin.Tokens[0].Token != "0123456789abcdef" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := config.Load(filepath.Join(dir, "none.yaml"), config.ParseOptions{}); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("a missing file: %v", err)
	}
}

func TestVariablesNeedTheirSource(t *testing.T) {
	_, err := config.Parse("api", []byte("version: 1\nnamespace: ${A:-b}\nstorage: {path: \"${file:/x}\"}"), config.ParseOptions{})
	if f, _ := errors.AsType[*fault.Error](err); f == nil || len(f.Problems()) != 2 || strings.Count(err.Error(), "only in a local configuration file") != 2 {
		t.Errorf("got %v", err)
	}
}

func TestValidateInCode(t *testing.T) {
	c := &config.Config{Guards: map[string]config.Guard{"a": {Breaker: "none"}}}
	err := c.Validate(nil)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) != 1 || f.Problems()[0].Field != "guards.a.breaker" || f.Problems()[0].Position != "" {
		t.Errorf("got %v", err)
	}
	if err := (&config.Config{}).Validate(nil); err != nil {
		t.Errorf("the zero Config is refused: %v", err)
	}
}

// What fits into a file must not keep anybody waiting: these take minutes if
// any step looks at each key again for each key.
func TestScenario88_HugeFilesAreReadInOneGo(t *testing.T) {
	lines := func(format string) string {
		var b strings.Builder
		b.WriteString("version: 1\n")
		for i := range 30_000 {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, text := range map[string]string{
		"unknown keys": lines("k%d: 1\n"), "one key": "version: 1\n" + strings.Repeat("k: 1\n", 30_000), "bad names": "version: 1\nguards:\n" + strings.ReplaceAll(lines("  K%d:\n"), "version: 1\n", ""),
	} {
		_, err := config.Parse("huge.yaml", []byte(text), options)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || len(f.Problems()) != 101 || !strings.HasPrefix(f.Problems()[100].Message, "and ") {
			t.Errorf("%s: %d problems", name, len(f.Problems()))
		}
	}
	routes := strings.ReplaceAll(lines("    - {match: /a%d, upstream: \"http://a\"}\n"), "version: 1\n", "version: 1\ngateway:\n  routes:\n")
	routes, _, _ = strings.Cut(routes, "    - {match: /a20000,")
	if _, err := config.Parse("huge.yaml", []byte(routes), options); err != nil {
		t.Errorf("many routes: %.500v", err)
	}
}

func TestCloneIsApart(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(text))
	before := c.String()
	d := c.Clone()
	d.Breakers["payments"] = config.Breaker{}
	delete(d.Guards, "checkout")
	d.Gateway.Routes[0].Match = "/x"
	d.Admin.Tokens = append(d.Admin.Tokens, config.Token{})
	if c.String() != before || c.Equal(d) || !c.Equal(c.Clone()) {
		t.Error("a change of the clone changed the original")
	}
	if !reflect.DeepEqual(d.RateLimits, c.RateLimits) {
		t.Error("the clone lost its rules")
	}
}

func TestParseKey(t *testing.T) {
	parts, err := config.ParseKey("{header:X-Org}/{remote_ip}/{path:2}/x")
	want := []config.KeyPart{{Kind: config.KeyHeader, Text: "X-Org"}, {Kind: config.KeyRemoteIP}, {Kind: config.KeyPath, Index: 2}, {Kind: config.KeyLiteral, Text: "x"}}
	if err != nil || !reflect.DeepEqual(parts, want) {
		t.Errorf("got %v, %v", parts, err)
	}
	for _, bad := range []string{"{", "{}", "{header}", "{header:}", "{header:a b}", "{cookie:}", "{path:0}", "{path:x}", "{ip}", "a//b", "a}b", "1/2/3/4/5"} {
		if _, err := config.ParseKey(bad); !errors.Is(err, fault.InvalidConfig) {
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
		{":9181", "", 1}, {"10.0.0.1:9181", "", 1}, {"[::]:9181", "", 1}, {"admin.example.org:9181", "", 1},
		{":9181", tls, 0}, {"127.0.0.1:9181", "", 0}, {"[::1]:9181", "", 0}, {"LOCALHOST:9181", "", 0}, {"off", "", 0},
	} {
		w := parse(t, fmt.Sprintf(text, c.listen, c.more)).Warnings()
		if len(w) != c.want || c.want > 0 && (w[0].Field != "admin.listen" || !strings.Contains(w[0].Message, "in the clear")) {
			t.Errorf("%s%s: %v", c.listen, c.more, w)
		}
	}
}
