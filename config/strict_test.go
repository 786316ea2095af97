package config_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

// fieldsOf lists the fields of the problems of an error.
func fieldsOf(err error) (fields []string) {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		for _, p := range f.Problems() {
			fields = append(fields, p.Field)
		}
	}
	return fields
}

func TestSettingsOfPartsThatDoNotGoTogetherAreRefused(t *testing.T) {
	for text, field := range map[string]string{
		"breakers: {a: {per: host}}":                                    "breakers.a.per",
		"breakers: {a: {max_members: 5}}":                               "breakers.a.max_members",
		"breakers: {a: {per: key, max_members: -5}}":                    "breakers.a.max_members",
		"pools: {a: {worker: postgres, size: -3, options: {dsn: x}}}":   "pools.a.size",
		"motto: {text: x, lines: [{text: y}, {text: x}]}":               "motto.lines[1].text",
		"pools: {a: {worker: postgres, lifetime_jitter: 2}}":            "pools.a.lifetime_jitter",
		"rate_limits: {a: {limit: 1, per: 1s, burst: -1}}":              "rate_limits.a.burst",
		"guards: {a: {timeout: -1s}}":                                   "guards.a.timeout",
		"pools: {a: {worker: postgres, options: {dsn: bad}}, b: {}}":    "pools.a.options.dsn",
		"breakers: {x: {window: 48h}}\npools: {a: {worker: postgres}}":  "pools.a.options",
		"breakers: {x: {window: 48h}}\nguards: {a: {breaker: y}}":       "guards.a.breaker",
		"guards: {a: {pool: p}, b: {rate_limit: r}, c: {breaker: b}}\n": "guards.b.rate_limit",
	} {
		_, err := config.Parse("foundation.yaml", []byte("version: 1\n"+text), options)
		fields := fieldsOf(err)
		if !slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, field) }) {
			t.Errorf("%s: the faults are of %q: %v", text, fields, err)
		}
		for i, f := range fields {
			if slices.Contains(fields[i+1:], f) {
				t.Errorf("%s: %s is reported twice: %v", text, f, err)
			}
		}
	}
}

// Options know their fields with or without the word before them, and may be wrong as
// a whole.
func TestFaultsOfOptionsAreNamedFromThePoolOn(t *testing.T) {
	kinds := map[string]pool.Kind{"odd": pool.KindOf(func(oddOptions) (pool.Factory[int], error) { return pool.Factory[int]{}, nil })}
	c := &config.Config{
		Breakers: map[string]config.Breaker{"b": {Config: breaker.Config{Window: -1}}},
		Pools:    map[string]config.Pool{"a": {Worker: "odd", Options: new(oddOptions)}, "z": {Worker: "odd", Options: new(oddOptions)}},
	}
	_, err := c.Validate(config.Registry{Kinds: kinds})
	want := []string{"pools.a.options", "pools.a.options.second", "pools.a.options.third", "pools.z.options", "pools.z.options.second", "pools.z.options.third"}
	var got []string
	for _, f := range fieldsOf(err) {
		if strings.HasPrefix(f, "pools.") {
			got = append(got, f)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// oddOptions are wrong in three ways.
type oddOptions struct {
	Second int `yaml:"second"`
	Third  int `yaml:"third"`
}

func (*oddOptions) Validate() error {
	var ps fault.Problems
	ps.Add("options", "", "are wrong as a whole")
	ps.Add("options.second", "", "is wrong")
	ps.Add("third", "", "is wrong")
	return ps.Err("connection_pool", "")
}

// What a guard warns about is passed on, except for what the names stand for.
func TestWarningsOfGuards(t *testing.T) {
	c := parse(t, `
version: 1
breakers: { slow: { call_timeout: 1s }, plain: {} }
rate_limits: { r: { limit: 5, per: 1s } }
pools: { p: { worker: postgres, options: { dsn: x } } }
guards:
  a: { breaker: slow }
  b: { breaker: plain }
  c: { checkout_timeout: 1s }
  d: { checkout_timeout: 1s, pool: p }
  e: { refund_on_failure: true }
  f: { refund_on_failure: true, rate_limit: r }
  g: { refund_on_failure: true, pool: p }
  h: { checkout_timeout: 1s, rate_limit: r }
`)
	warnings, err := c.Validate(registry)
	var got []string
	for _, w := range warnings {
		if !w.Warning || w.Message == "" || !strings.HasPrefix(w.Position, "foundation.yaml:") {
			t.Errorf("%+v", w)
		}
		got = append(got, w.Field)
	}
	if want := "[guards.a.breaker guards.c.checkout_timeout guards.e.refund_on_failure guards.g.refund_on_failure guards.h.checkout_timeout]"; fmt.Sprint(got) != want {
		t.Errorf("warnings of %v, want %s", got, want)
	}
	if err != nil {
		t.Errorf("warnings are faults: %v", err)
	}
}

// A part may name its settings only; what a foreign section is must be known.
func TestAConfigurationMadeInCodeIsCheckedAsAFileIs(t *testing.T) {
	for field, c := range map[string]*config.Config{
		"motto": {Sections: map[string]any{"motto": new(string)}},
		"other": {Sections: map[string]any{"other": new(motto)}},
		"motto.lines[0].text": {
			Sections: map[string]any{"motto": &motto{Text: "x", Lines: []line{{"x"}}}},
		},
		"namespace": {Namespace: "No Name"},
		"version":   {Version: 7},
		"guards.g":  {Guards: map[string]config.Guard{"g": {Config: guard.Config{Timeout: -1}}}},
	} {
		_, err := c.Validate(registry)
		fields := fieldsOf(err)
		if len(fields) != 1 || !strings.HasPrefix(fields[0], field) {
			t.Errorf("%s: the faults are of %q: %v", field, fields, err)
		}
	}
	known := &config.Config{Sections: map[string]any{"motto": &motto{Text: "x", Lines: []line{{"y"}}}}}
	if _, err := known.Validate(registry); err != nil || known.Position("motto.text") != "" {
		t.Errorf("%v, at %q", err, known.Position("motto.text"))
	}
	read := parse(t, "version: 1\nmotto: {text: x}")
	if at := read.Position("motto.text"); at != "foundation.yaml:2:15" {
		t.Errorf("the text stands at %s", at)
	}
}

// The pools of a file need kinds, also where none are known at all.
func TestWithoutKindsNoPoolIsRead(t *testing.T) {
	_, err := config.Parse("foundation.yaml", []byte("version: 1\npools: {a: {worker: x}}"), config.ParseOptions{})
	if fields := fieldsOf(err); len(fields) != 1 || fields[0] != "pools.a.worker" {
		t.Errorf("got %v", err)
	}
}

// One mistake is one problem, whatever follows from it.
func TestOneMistakeIsReportedOnce(t *testing.T) {
	for _, text := range []string{
		"", "- a\n- b\n", "just text\n", "namespace: x\n", "version: 1\nguards: {a: {timeout: [1]}}\n",
		"version: 1\nbreakers: {a: {window: {}}}\n", "version: 1\npools: {a: {worker: [postgres]}}\n", "version: [1]\n",
		"version: 1\npools: {a: {workr: postgres}}\n", "version: 1\nguards: {a: {breaker: {}}}\n",
	} {
		_, err := config.Parse("foundation.yaml", []byte(text), options)
		if f, ok := errors.AsType[*fault.Error](err); !ok || len(f.Problems()) != 1 || f.Problems()[0].Position == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A file with 100 mistakes is reported as it is, one with more says how many more.
func TestAHundredMistakesAreShownAndTheRestIsCounted(t *testing.T) {
	for n, want := range map[int]int{99: 99, 100: 100, 101: 101, 150: 101} {
		var b strings.Builder
		b.WriteString("version: 1\n")
		for i := range n {
			fmt.Fprintf(&b, "unknown%d: 1\n", i)
		}
		_, err := config.Parse("foundation.yaml", []byte(b.String()), options)
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || len(f.Problems()) != want {
			t.Fatalf("%d mistakes are %d problems", n, len(f.Problems()))
		}
		last := f.Problems()[want-1]
		if more := fmt.Sprintf("and %d more", n-100); (n > 100) != (last.Message == more) || last.Position == "" {
			t.Errorf("of %d mistakes the last problem is %+v", n, last)
		}
	}
}

// An empty section sets nothing.
func TestAnEmptySectionIsNone(t *testing.T) {
	plain, empty := parse(t, "version: 1\nguards: {g: {}}"), parse(t, "version: 1\nguards: {g: {}}\nbreakers: {}\npools: {}\nrate_limits:\n")
	if len(config.Diff(plain, empty))+len(config.Diff(empty, plain)) != 0 || plain.String() != empty.String() {
		t.Errorf("%v\nis another than\n%v", empty, plain)
	}
}

func TestDiffOfSectionsWithoutNames(t *testing.T) {
	section := func(restart ...string) config.Section {
		s := registry.Sections[0]
		s.Restart = restart
		return s
	}
	before := parse(t, "version: 1\nmotto: {text: a, every: 1m, lines: [{text: x}]}")
	for _, c := range []struct {
		text    string
		section config.Section
		want    string
		restart bool
	}{
		{"namespace: new\nmotto: {text: a, every: 1m, lines: [{text: x}]}", section(), "namespace changed: namespace", true},
		{"storage: {path: x}\nmotto: {text: a, every: 1m, lines: [{text: x}]}", section(), "storage changed: path default → x; storage.path needs a restart", true},
		{"motto: {text: b, every: 1m, lines: [{text: x}]}", section(), "motto changed: text a → b", false},
		{"motto: {text: b, every: 1m, lines: [{text: x}]}", section("every"), "motto changed: text a → b", false},
		{"motto: {text: b, every: 1m, lines: [{text: x}]}", section(""), "motto changed: text a → b; motto.text needs a restart", true},
		{"motto: {text: a, every: 2m, lines: [{text: x}]}", section("text", "every"), "motto changed: every 1m → 2m; motto.every needs a restart", true},
		{"motto: {text: a, every: 1m, lines: [{text: y}]}", section("line"), "motto changed: lines", false},
	} {
		changes := config.Diff(before, parse(t, "version: 1\n"+c.text), c.section)
		if len(changes) != 1 || changes[0].Restart != c.restart || !strings.HasPrefix(strings.Replace(changes[0].String(), "namespace changed: ", "namespace changed: namespace", 1), c.want) {
			t.Errorf("%s: %v, restart %v", c.text, changes, len(changes) > 0 && changes[0].Restart)
		}
	}
	if changes := config.Diff(before, before.Clone(), section("")); len(changes) != 0 {
		t.Errorf("nothing changed, but %v", changes)
	}
}

// What is made anew loses its state, and only that.
func TestDiffSaysWhatIsMadeAnew(t *testing.T) {
	file := func(breaker, pool string) *config.Config {
		return parse(t, "version: 1\nbreakers: {b: {"+breaker+"}}\npools: {p: {"+pool+"}}")
	}
	const worker = "worker: postgres, options: {dsn: x}"
	begin := file("per: key, max_members: 10", worker)
	for _, c := range []struct {
		breaker, pool, effect string
		anew                  bool
	}{
		{"per: key, max_members: 11", worker, "is made anew, closed", true},
		{"window: 1m", worker, "is made anew, closed", true},
		{"per: key, max_members: 10, window: 1m", worker, "keeps its state", false},
		{"per: key, max_members: 10", worker + ", checkout_timeout: 1s", "keeps its workers", false},
		{"per: key, max_members: 10", worker + fmt.Sprintf(", size: %d", pool2), fmt.Sprintf("grows %d → %d", pool.DefaultSize, pool2), false},
		{"per: key, max_members: 10", worker + ", size: 1", fmt.Sprintf("shrinks %d → 1 by attrition", pool.DefaultSize), false},
		{"per: key, max_members: 10", "worker: postgres, options: {dsn: y}", "is opened anew, the old workers are drained", true},
	} {
		changes := config.Diff(begin, file(c.breaker, c.pool))
		if len(changes) != 1 || changes[0].Effect != c.effect || changes[0].Renewed != c.anew {
			t.Errorf("%s, %s: %+v", c.breaker, c.pool, changes)
		}
	}
	single := file("window: 1m", worker)
	if changes := config.Diff(single, file("window: 2m", worker)); len(changes) != 1 || changes[0].Renewed {
		t.Errorf("a single breaker: %+v", changes)
	}
}

const pool2 = pool.DefaultSize + 1

// What comes and goes is told with what becomes of it, and nothing of it is made anew.
func TestDiffOfWhatComesAndGoes(t *testing.T) {
	none := parse(t, "version: 1")
	for text, want := range map[string][2]string{
		"breakers: {x: {per: key}}":                         {"starts closed", "its state is dropped"},
		"rate_limits: {x: {limit: 1, per: 1s}}":             {"starts with nothing used", "what was used is forgotten"},
		"pools: {x: {worker: postgres, options: {dsn: a}}}": {"is opened", "is drained and closed"},
		"guards: {x: {timeout: 1s}}":                        {"answers from now on", "answers not_found"},
		"retries: {x: {attempts: 2}}":                       {"can be named by guards", "is gone"},
	} {
		with := parse(t, "version: 1\n"+text)
		for i, changes := range [][]config.Change{config.Diff(none, with), config.Diff(with, none)} {
			if len(changes) != 1 || changes[0].Effect != want[i] || changes[0].Renewed || changes[0].Restart || changes[0].Action != [2]string{"added", "removed"}[i] {
				t.Errorf("%s: %+v, want %q", text, changes, want[i])
			}
		}
	}
	before, next := parse(t, "version: 1\nrate_limits: {x: {limit: 1, per: 1s}}"), parse(t, "version: 1\nrate_limits: {x: {limit: 1, per: 1s, algorithm: fixed_window}}")
	if changes := config.Diff(before, next); len(changes) != 1 || changes[0].Effect != "counts by another algorithm from now on" {
		t.Errorf("%+v", changes)
	}
}

// A guard of a configuration names its parts; one that holds them is refused.
func TestAGuardMustNotHoldItsParts(t *testing.T) {
	b, err := breaker.New("b", breaker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	group, err := breaker.NewGroup("g", breaker.Config{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	l, err := ratelimit.New("l", ratelimit.Config{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New("p", pool.Config{}, pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(context.Background()) })
	for name, cfg := range map[string]guard.Config{
		"breaker": {Breaker: b}, "group": {Breakers: group}, "limit": {RateLimit: l}, "pool": {Pool: p}, "retry": {Retry: &retry.Config{}},
		"admission": {Admission: struct{ guard.Admitter }{}}, "recorder": {Recorder: struct{ guard.Recorder }{}},
	} {
		c := &config.Config{Guards: map[string]config.Guard{"x": {Config: cfg}}}
		if _, err := c.Validate(config.Registry{}); len(fieldsOf(err)) != 1 || fieldsOf(err)[0] != "guards.x" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A document from the network leaves what the local file alone sets as it is.
func TestADocumentFromTheNetworkMustNotSetWhatIsLocal(t *testing.T) {
	local := parse(t, "version: 1\nstorage: {path: events.db}\nguards: {a: {}}\npools: {p: {worker: postgres, options: {dsn: x}}}")
	over := options
	over.Over = local
	c, err := config.Parse("network", []byte("version: 1\nguards: {b: {}}"), over)
	if err != nil {
		t.Fatal(config.Render(err))
	}
	if _, ok := c.Guards["b"]; !ok || c.Storage.Path != "events.db" {
		t.Errorf("it is read as\n%v", c)
	}
	for _, text := range []string{"storage: {path: other.db}", "namespace: \"${LIMIT}\"", "storage: {postgres: \"${ORDERS_DSN}\"}"} {
		if _, err := config.Parse("network", []byte("version: 1\n"+text), over); !errors.Is(err, fault.InvalidConfig) {
			t.Errorf("%s was accepted: %v", text, err)
		}
	}
	if _, err := config.Parse("network", []byte(local.String()), over); err != nil {
		t.Errorf("what is shown of it is refused: %v", config.Render(err))
	}
}
