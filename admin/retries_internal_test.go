package admin

import (
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestExplain_RetriesOfAGuard(t *testing.T) {
	for about, c := range map[string]struct {
		denied uint64
		well   bool
	}{"within the budget": {0, true}, "few": {4, true}, "used up": {812, false}} {
		s := calm()
		s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick("", "", 0), Retries: retried(c.denied)}}
		(&verdict{Status: &s}).judge()
		w := (&facts{now: noon, status: &s}).explain("guard", "checkout")
		if w.Well != c.well || strings.HasPrefix(w.Verdict, "retries of guard checkout to 10.0.0.1:80 are used up") == c.well {
			t.Errorf("%s: well %v, %s", about, w.Well, w.Verdict)
		}
		number := func(name string) adminapi.Number {
			i := slices.IndexFunc(w.Numbers, func(n adminapi.Number) bool { return n.Name == name })
			if i < 0 {
				t.Fatalf("%s: no number %q among %+v", about, name, w.Numbers)
			}
			return w.Numbers[i]
		}
		if n := number("retried"); n.Value != 691./3512 || n.Limit != 0.2 || n.Bad == c.well {
			t.Errorf("%s: %+v", about, n)
		}
		if n := number("retries"); n.Value != 9000 || n.Note != "since the start: failure 8000, timeout 1000" {
			t.Errorf("%s: %+v", about, n)
		}
		if n := number("not tried again"); n.Value != 2100 || n.Note != "calls that failed, since the start: budget 2000, attempts 100" {
			t.Errorf("%s: %+v", about, n)
		}
		if number("attempts").Value != 3 {
			t.Errorf("%s: %+v", about, w.Numbers)
		}
		want := []string{"10.0.0.1:80", "10.0.0.2:80"}
		var got []string
		for _, p := range w.Parts {
			if p.Kind == "retry_budget" {
				got = append(got, p.Name)
			}
		}
		if !slices.Equal(got, want) || w.Parts[0].Well == (c.denied > 0) {
			t.Errorf("%s: %+v", about, w.Parts)
		}
		if advice := slices.ContainsFunc(w.Try, func(try adminapi.Try) bool { return strings.Contains(try.Text, "do not raise the budget") }); advice == c.well {
			t.Errorf("%s: %+v", about, w.Try)
		}
	}
	s := calm()
	s.Guards = []adminapi.Guard{{Name: "checkout", Recent: sick("", "", 0)}}
	if w := (&facts{now: noon, status: &s}).explain("guard", "checkout"); slices.ContainsFunc(w.Numbers, func(n adminapi.Number) bool { return n.Name == "retries" }) {
		t.Errorf("a guard without retries: %+v", w.Numbers)
	}
}
