package admin

import (
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// An explanation of a rate limit says what its keys have of their own, and what else must allow a call.
func TestExplain_RateLimitsWithOverridesParentsAndModes(t *testing.T) {
	f := incident()
	rule := &f.status.RateLimits[0]
	rule.Overrides, rule.Parent, rule.Mode = 3, "all", "shadow"
	f.status.RateLimits = append(f.status.RateLimits, adminapi.RateLimit{Name: "all", Limit: 1000, PerSeconds: 1, Denied: 7})
	note := func(w adminapi.Why, name string) string {
		for _, n := range w.Numbers {
			if n.Name == name {
				return n.Note
			}
		}
		return ""
	}
	tries := func(w adminapi.Why, text string) bool {
		return slices.ContainsFunc(w.Try, func(s adminapi.Try) bool { return strings.Contains(s.Text, text) })
	}
	w := f.explain("rate_limit", "per_client")
	if len(w.Parts) == 0 || w.Parts[len(w.Parts)-1].Name != "all" || !strings.Contains(w.Parts[len(w.Parts)-1].State, "1000 per 1s for each key; must allow each call as well, and denied 7 calls") {
		t.Errorf("the parent: %+v", w.Parts)
	}
	if note(w, "overrides") != "keys that have numbers of their own, or are exempt" || note(w, "limit") != "for each key in 1s; in shadow mode: it refuses nothing" {
		t.Errorf("%+v", w.Numbers)
	}
	if !tries(w, "raise rate_limits.per_client.limit") || !tries(w, "numbers of its own, in overrides") {
		t.Errorf("%+v", w.Try)
	}
	f.status.RateLimits[0].TopDenied[0].Override = true
	if w = f.explain("rate_limit", "per_client"); tries(w, "raise rate_limits") || !tries(w, "they are in rate_limits.per_client.overrides") || !w.Denied[0].Override {
		t.Errorf("%+v, %+v", w.Try, w.Denied)
	}
}
