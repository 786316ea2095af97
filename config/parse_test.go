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

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
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
		return pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }}, nil
	}),
}

// env is the environment of the tests.
var env = map[string]string{
	"ORDERS_DSN": "postgres://app:canary-password@db/orders", "BAD_DSN": "bad-canary-secret", "LIMIT": "7",
	"NOT_A_NUMBER": "canary-number", "NOT_A_MODE": "canary-mode", "NOT_A_URL": "canary-url",
}

var options = config.ParseOptions{
	LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	Registry:  registry,
}

// motto is a foreign section.
type motto struct {
	Text   string        `yaml:"text"`
	Author string        `yaml:"author" config:"secret"`
	Every  time.Duration `yaml:"every"`
	Lines  []line        `yaml:"lines"`
}

type line struct {
	Text string `yaml:"text"`
}

var registry = config.Registry{Kinds: kinds, Sections: []config.Section{{
	Name: "motto", New: func() any { return new(motto) }, Restart: []string{"every"},
	Check: func(c *config.Config) (ps fault.Problems) {
		if m := config.SectionOf[motto](c, "motto"); m != nil {
			for i, line := range m.Lines {
				ps.Require(line.Text != m.Text, fmt.Sprintf("motto.lines[%d].text", i), line.Text, "is said at %s already", c.Position("motto.text"))
			}
		}
		return ps
	},
}}}

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

// equal reports whether both set the same.
func equal(a, b *config.Config) bool { return len(config.Diff(a, b, registry.Sections...)) == 0 }

func goldenFile(t *testing.T, path, got string) {
	t.Helper()
	testkit.Golden(t, path, got, *update)
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
	if m := config.SectionOf[motto](c, "motto"); m == nil || m.Text != "be quick" {
		t.Errorf("foreign section: %+v", m)
	}
	if w, err := c.Validate(registry); err != nil || len(w) != 1 || w[0].Field != "rate_limits.nothing.limit" {
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
		{"what a group is for", "version: 1\nbreakers: {a: {per: host}}", "2:21", `must be "key" or "target"`},
		{"unknown section", "version: 1\nbreaker: {}", "2:1", `did you mean "breakers"?`},
		{"unknown setting", "version: 1\nbreakers: {a: {windw: 3s}}", "2:16", `did you mean "window"?`},
		{"unknown guard breaker", "version: 1\nbreakers: {payments: {}}\nguards: {a: {breaker: paymets}}", "3:23", `did you mean "payments"?`},
		{"unknown rule", "version: 1\nguards: {a: {rate_limit: x}}", "2:26", `no "x" under rate_limits`},
		{"unknown pool", "version: 1\nguards: {a: {pool: x}}", "2:20", `no "x" under pools`},
		{"unknown policy", "version: 1\nretries: {standard: {}}\nguards: {a: {retry: standrd}}", "3:21", `did you mean "standard"?`},
		{"no attempt", "version: 1\nretries: {a: {attempts: 0}}", "2:25", "must not be 0"},
		{"too many attempts", "version: 1\nretries: {a: {attempts: 100}}", "2:25", "between 1 and 10"},
		{"budget", "version: 1\nretries: {a: {budget: 1.5}}", "2:23", "at most 1"},
		{"outcome", "version: 1\nretries: {a: {outcomes: [failure, succes]}}", "2:35", "one of failure, timeout, refused"},
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
		{"two stores", "version: 1\nstorage: {path: a, postgres: b}", "2:30", "together with path"},
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
motto: { author: canary-written-into-the-file }
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
		"motto: {every: \"${ORDERS_DSN}\"}",
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

func TestRenderedConfigIsReadBack(t *testing.T) {
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(text))
	again := parse(t, c.String())
	if !equal(c, again) {
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
	text := "version: 1\nmotto: {author: \"${file:" + secret + "}\"}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(t.Context(), path, config.ParseOptions{Registry: registry})
	if err != nil || config.SectionOf[motto](c, "motto").Author != "0123456789abcdef" {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := config.Load(t.Context(), filepath.Join(dir, "none.yaml"), config.ParseOptions{}); !errors.Is(err, os.ErrNotExist) || !errors.Is(err, fault.InvalidConfig) {
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
	_, err := c.Validate(config.Registry{})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || len(f.Problems()) != 1 || f.Problems()[0].Field != "guards.a.breaker" || f.Problems()[0].Position != "" {
		t.Errorf("got %v", err)
	}
	if _, err := (&config.Config{}).Validate(config.Registry{}); err != nil {
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
	config.SectionOf[motto](d, "motto").Text = "be slow"
	if c.String() != before || equal(c, d) || !equal(c, c.Clone()) {
		t.Error("a change of the clone changed the original")
	}
	if !reflect.DeepEqual(d.RateLimits, c.RateLimits) {
		t.Error("the clone lost its rules")
	}
}

func TestAGuardOfAConfigurationNamesItsParts(t *testing.T) {
	b, err := breaker.New("b", breaker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Guards: map[string]config.Guard{"g": {Config: guard.Config{Breaker: b}}}}
	if _, err := c.Validate(registry); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("a guard that holds a breaker: %v", err)
	}
	if c.Clone().Guards["g"].Config.Breaker != b {
		t.Error("Clone copied a breaker")
	}
	classify := func(error) outcome.Outcome { return outcome.Ignored }
	c = &config.Config{Guards: map[string]config.Guard{"g": {Config: guard.Config{Classify: classify}}}}
	if _, err := c.Validate(registry); err != nil {
		t.Errorf("a guard that classifies errors itself: %v", err)
	}
}
