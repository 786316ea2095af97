package config_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

// FuzzParse: any text is either refused, with a place for every problem and no
// secret in any, or read, and then its rendering sets the same.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/full.yaml", "testdata/five.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("version: 1\nbreakers: {a: &a {window: 1s}, b: *a, c: {<<: *a, probes: 2}}\n")
	f.Add("version: 1\nnamespace: ${ORDERS_DSN}\npools: {a: {worker: ${BAD_DSN}}}\n")
	f.Add("version: 1\nmotto: {lines: [{text: a}, {every: 3s}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("fuzz.yaml", []byte(text), options)
		if err != nil {
			refusedWell(t, text, err)
			return
		}
		rendered := c.String()
		if strings.Contains(rendered, "(hidden)") {
			return // a secret written into the file cannot be read back
		}
		again, err := config.Parse("again.yaml", []byte(rendered), options)
		if err != nil || !equal(c, again) {
			t.Errorf("%q\nwas rendered as\n%s\nwhich is read as %v, %v", text, rendered, again, err)
		}
	})
}

func refusedWell(t *testing.T, text string, err error) {
	t.Helper()
	problem, ok := errors.AsType[*fault.Error](err)
	if !ok || problem.Code() != fault.InvalidConfig || len(problem.Problems()) == 0 {
		t.Fatalf("%q: %v", text, err)
	}
	for _, p := range problem.Problems() {
		if !strings.HasPrefix(p.Position, "fuzz.yaml:") || !strings.HasSuffix(p.Excerpt, "^") {
			t.Errorf("%q: no place for %+v", text, p)
		}
	}
	if shown := config.Render(err); strings.Contains(shown, "canary") && !strings.Contains(text, "canary") {
		t.Errorf("%q: a secret is in\n%s", text, shown)
	}
}
