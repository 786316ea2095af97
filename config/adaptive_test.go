package config_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
)

func TestAdaptiveConcurrency_IsRead(t *testing.T) {
	c := parse(t, `
version: 1
guards:
  a: { adaptive_concurrency: { min: 4, max: 256 } }
  b: { adaptive_concurrency: {} }
  c: { concurrency: 5 }`)
	if got := c.Guards["a"].AdaptiveConcurrency; got == nil || *got != (guard.AdaptiveConcurrency{Min: 4, Max: 256}) {
		t.Errorf("got %+v", got)
	}
	if got := c.Guards["b"].AdaptiveConcurrency; got == nil || *got != (guard.AdaptiveConcurrency{}) {
		t.Errorf("an empty section: %+v", got)
	}
	if got := c.Guards["c"].AdaptiveConcurrency; got != nil {
		t.Errorf("without the section: %+v", got)
	}
	clone := c.Clone()
	clone.Guards["a"].AdaptiveConcurrency.Max = 1
	if c.Guards["a"].AdaptiveConcurrency.Max != 256 {
		t.Error("a clone shares the bounds")
	}
}

func TestAdaptiveConcurrency_FaultsHaveTheirPlaces(t *testing.T) {
	_, err := config.Parse("f.yaml", []byte(`version: 1
guards:
  a: { concurrency: 5, adaptive_concurrency: { max: 10 } }
  b: { adaptive_concurrency: { min: 20, max: 10 } }
  c: { adaptive_concurrency: { minimum: 3 } }
`), options)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"f.yaml:3:", "guards.a.adaptive_concurrency", "f.yaml:4:", "guards.b.adaptive_concurrency.min", "f.yaml:5:", "minimum"} {
		if !strings.Contains(config.Render(err), want) {
			t.Errorf("the error does not name %s: %s", want, config.Render(err))
		}
	}
}

func TestAdaptiveConcurrency_AChangeIsLive(t *testing.T) {
	before := parse(t, "version: 1\nguards: { g: { adaptive_concurrency: { max: 10 } } }")
	after := parse(t, "version: 1\nguards: { g: { adaptive_concurrency: { max: 20 } } }")
	if changes := config.Diff(before, after); len(changes) != 1 || changes[0].Renewed || changes[0].Restart {
		t.Errorf("changes %v", changes)
	}
}
