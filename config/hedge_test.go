package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
)

func TestHedge_IsRead(t *testing.T) {
	c := parse(t, `
version: 1
guards:
  a: { hedge: { after: p99, max: 2 } }
  b: { hedge: { after: 50ms } }
  c: { hedge: {} }
  d: {}`)
	for name, want := range map[string]*guard.Hedge{
		"a": {After: guard.HedgeAfter{Percentile: 99}, Max: 2}, "b": {After: guard.HedgeAfter{Delay: 50 * time.Millisecond}}, "c": {}, "d": nil,
	} {
		if got := c.Guards[name].Hedge; (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	text, err := c.MarshalText()
	if err != nil || !strings.Contains(string(text), "after: p99") || !strings.Contains(string(text), "after: 50ms") {
		t.Errorf("%v\n%s", err, text)
	}
	if again := parse(t, string(text)); len(config.Diff(c, again)) != 0 {
		t.Errorf("what is written is read as something else: %v", config.Diff(c, again))
	}
	clone := c.Clone()
	clone.Guards["a"].Hedge.Max = 1
	if c.Guards["a"].Hedge.Max != 2 {
		t.Error("a clone shares the settings")
	}
}

func TestHedge_FaultsHaveTheirPlaces(t *testing.T) {
	_, err := config.Parse("f.yaml", []byte(`version: 1
guards:
  a: { hedge: { after: 95 } }
  b: { hedge: { after: p30, max: 4 } }
  c: { hedge: { after: 10us } }
  d: { hedge: { delay: 10ms } }
  e: { hedge: { after: p99.9 } }
`), options)
	if err == nil {
		t.Fatal("accepted")
	}
	text := config.Render(err)
	for _, want := range []string{
		"f.yaml:3:", "neither a duration, as 50ms, nor a percentile", "f.yaml:4:", "must be from p50 to p99", "guards.b.hedge.max", "f.yaml:5:", "between 1ms and 24h", "f.yaml:6:", "delay", "f.yaml:7:",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the error does not name %q: %s", want, text)
		}
	}
}

func TestHedge_Warnings(t *testing.T) {
	c := parse(t, `
version: 1
retries: { quick: { attempt_timeout: 100ms } }
guards:
  a: { timeout: 1s, hedge: { after: 1s } }
  b: { retry: quick, hedge: { after: 200ms } }
  c: { mode: shadow, hedge: {} }
  d: { timeout: 1s, retry: quick, hedge: { after: p95 } }`)
	warnings, err := c.Validate(config.Registry{})
	if err != nil || len(warnings) != 3 {
		t.Errorf("%v, %v", warnings, err)
	}
	for i, w := range warnings {
		if want := []string{"guards.a.hedge.after", "guards.b.hedge.after", "guards.c.hedge"}[i]; w.Field != want {
			t.Errorf("%q, want one of %s", w.Field, want)
		}
	}
}

func TestHedge_AChangeIsLive(t *testing.T) {
	before := parse(t, "version: 1\nguards: { g: { hedge: { after: p95 } } }")
	after := parse(t, "version: 1\nguards: { g: { hedge: { after: 20ms } } }")
	changes := config.Diff(before, after)
	if len(changes) != 1 || changes[0].Renewed || changes[0].Restart {
		t.Fatalf("changes %v", changes)
	}
	if text := changes[0].String(); !strings.Contains(text, "p95") || !strings.Contains(text, "20ms") {
		t.Error(text)
	}
}
