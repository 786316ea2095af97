package guard_test

import (
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// A group has one breaker for each target, or each key; the other one of the two has
// no say in it, and the rate limit counts by the key.
func TestABreakerGroupIsPerTargetOrPerKey(t *testing.T) {
	ann, bob := ratelimit.KeyOf("user", "ann"), ratelimit.KeyOf("user", "bob")
	for name, c := range map[string]struct {
		perTarget             bool
		otherKey, otherTarget bool // is refused once the first call has failed
	}{
		"key":    {false, false, true},
		"target": {true, true, false},
	} {
		group := must(breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 1}, 0))
		g := newGuard(t, guard.Config{Breakers: group, PerTarget: c.perTarget, RateLimit: newLimit(t, 3)})
		_ = g.DoCall(t.Context(), guard.Call{Key: ann, Target: "a.example:443"}, fail)
		wantCode(t, g.DoCall(t.Context(), guard.Call{Key: ann, Target: "a.example:443"}, succeed), fault.CircuitOpen)
		if err := g.DoCall(t.Context(), guard.Call{Key: bob, Target: "a.example:443"}, succeed); (err != nil) != c.otherKey {
			t.Errorf("%s: another key at the same target: %v", name, err)
		}
		if err := g.DoCall(t.Context(), guard.Call{Key: ann, Target: "b.example:443"}, succeed); (err != nil) != c.otherTarget {
			t.Errorf("%s: another target with the same key: %v", name, err)
		}
		if c.perTarget {
			if _, ok := group.Lookup(ratelimit.KeyOf("a.example:443")); !ok || len(group.Members()) != 2 {
				t.Errorf("the members are %v", group.Members())
			}
		}
	}
}

// Without a target there is one breaker for all.
func TestCallsWithoutATargetShareABreaker(t *testing.T) {
	group := must(breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 1}, 0))
	g := newGuard(t, guard.Config{Breakers: group, PerTarget: true})
	_ = g.DoCall(t.Context(), guard.Call{Key: ratelimit.KeyOf("user", 1)}, fail)
	wantCode(t, g.DoCall(t.Context(), guard.Call{Key: ratelimit.KeyOf("user", 2)}, succeed), fault.CircuitOpen)
	if err := g.DoCall(t.Context(), guard.Call{Target: "a"}, succeed); err != nil {
		t.Errorf("a call with a target: %v", err)
	}
	n := testing.AllocsPerRun(100, func() { _ = g.DoCall(t.Context(), guard.Call{Target: "a"}, succeed) })
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
	if ws := (guard.Config{PerTarget: true}).Warnings(); len(ws) != 1 || ws[0].Field != "per_target" {
		t.Errorf("warnings %v", ws)
	}
}
