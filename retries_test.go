package foundation_test

import (
	"context"
	"testing"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/guard"
)

// A policy changes while calls run: its guards follow, budgets and counters stay, and other
// guards are left alone.
func TestRetries_ALivePolicyKeepsTheBudget(t *testing.T) {
	text := func(attempts string) string {
		return "retries: { r: { attempts: " + attempts + ", backoff: 1ns } }\nguards: { g: { retry: r }, other: {} }"
	}
	f := open(t, foundation.Options{Config: parse(t, text("3"), nil)})
	g, _ := f.Guard("g")
	other, _ := f.Guard("other")
	runs := func() (n int) {
		_ = g.DoCall(t.Context(), guard.Call{Idempotent: true}, func(ctx context.Context) error { n++; return boom(ctx) })
		return n
	}
	if n := runs(); n != 3 {
		t.Fatalf("%d runs under a policy of 3 attempts", n)
	}
	apply(t, f, parse(t, text("2"), nil))
	if n := runs(); n != 2 {
		t.Errorf("%d runs under a policy of 2 attempts", n)
	}
	if s := g.Status(); s.Retries.Budgets[0].Retries != 3 || s.Retries.Budgets[0].First != 2 || s.Revision != 2 || other.Status().Revision != 1 {
		t.Errorf("%+v, revision %d, that of the other guard %d", s.Retries.Budgets, s.Revision, other.Status().Revision)
	}
	apply(t, f, parse(t, "guards: { g: {}, other: {} }", nil))
	if n := runs(); n != 1 || g.Status().Config.Retry != nil {
		t.Errorf("%d runs without a policy", n)
	}
}
