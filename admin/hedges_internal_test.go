package admin

import (
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestExplain_HedgesOfAGuard(t *testing.T) {
	for about, c := range map[string]struct {
		hedges adminapi.Hedges
		denied uint64
		notes  map[string]string // of numbers
		bad    []string
	}{
		"none": {notes: map[string]string{}},
		"a percentile": {
			hedges: adminapi.Hedges{After: "p95", DelaySeconds: 0.02, Samples: 512, MinSamples: 100, Started: 9, Won: 5, Lost: 3, Failed: 1, Refused: 100, RefusedBy: map[string]uint64{"few_samples": 100}},
			notes:  map[string]string{"hedged after": "p95 of 512 attempts in the last minute", "hedges": "since the start: 5 won, 3 lost, 1 failed", "without": "since the start: few_samples 100"},
		},
		"one that is not known": {
			hedges: adminapi.Hedges{After: "p95", Samples: 12, MinSamples: 100},
			notes:  map[string]string{"hedged after": "p95 is not known: 12 attempts in the last minute, and it takes 100", "hedges": "since the start: 0 won, 0 lost, 0 failed"},
		},
		"out of the budget": {
			hedges: adminapi.Hedges{After: "50ms", DelaySeconds: 0.05, Losers: 2}, denied: 700,
			notes: map[string]string{
				"hedged after": "as it is set", "hedges": "since the start: 0 won, 0 lost, 0 failed", "losers": "attempts that lost against others of their call and do not return",
				"not hedged": "of 3000 first attempts in the last 10s: the budget is used up",
			},
			bad: []string{"losers", "not hedged"},
		},
	} {
		s := calm()
		g := adminapi.Guard{Name: "checkout", Recent: sick("", "", 0), Hedges: c.hedges}
		g.Retries.Budgets = []adminapi.RetryBudget{{FirstAttempts: 1000}, {Target: "a:80", FirstAttempts: 2000, HedgesDenied: c.denied}}
		s.Guards = []adminapi.Guard{g}
		w := (&facts{now: noon, status: &s}).explain("guard", "checkout")
		notes, bad := map[string]string{}, []string(nil)
		for _, n := range w.Numbers {
			if slices.Contains([]string{"hedged after", "hedges", "without", "losers", "not hedged"}, n.Name) {
				notes[n.Name] = n.Note
				if n.Bad {
					bad = append(bad, n.Name)
				}
			}
		}
		if len(notes) != len(c.notes) || !slices.Equal(bad, c.bad) {
			t.Errorf("%s: %q, bad %q", about, notes, bad)
		}
		for name, want := range c.notes {
			if notes[name] != want {
				t.Errorf("%s: %s: %q, want %q", about, name, notes[name], want)
			}
		}
		if told := slices.ContainsFunc(w.Try, func(try adminapi.Try) bool { return strings.Contains(try.Text, "slow altogether") }); told != (c.denied > 0) {
			t.Errorf("%s: %+v", about, w.Try)
		}
	}
}
