package guard_test

import (
	"slices"
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// inOrder names its members in order, those first whose breaker admits.
type inOrder struct {
	members []string
	chosen  []string
	asked   bool // of the breakers
	panics  bool
}

func (b *inOrder) Next(admits func(string) bool) string {
	if b.panics {
		panic("as told")
	}
	next := b.members[len(b.chosen)%len(b.members)]
	if b.asked = admits != nil; b.asked {
		if i := slices.IndexFunc(b.members, admits); i >= 0 {
			next = b.members[i]
		}
	}
	b.chosen = append(b.chosen, next)
	return next
}

// perMember is a guard with a breaker for each member that opens at the first failure.
func perMember(t *testing.T) (*guard.Guard, *breaker.Group) {
	t.Helper()
	group := must(breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 1}, 0))
	return newGuard(t, guard.Config{Breakers: group, PerTarget: true, Retry: prompt(), RateLimit: newLimit(t, 100)}), group
}

func TestBalancer_EachAttemptGoesToAMemberOfItsOwn(t *testing.T) {
	for name, call := range map[string]func(*guard.Guard, guard.Call, *int) error{
		"Do": func(g *guard.Guard, c guard.Call, runs *int) error {
			return g.DoCall(t.Context(), c, inTurn(runs, errDown, errDown, nil))
		},
		"token": func(g *guard.Guard, c guard.Call, runs *int) error {
			return attempts(t.Context(), g, c, inTurn(runs, errDown, errDown, nil))
		},
	} {
		g, group := perMember(t)
		b, runs := &inOrder{members: []string{"a", "b", "c"}}, 0
		if err := call(g, guard.Call{Target: "set", Targets: b, Idempotent: true}, &runs); err != nil || runs != 3 {
			t.Fatalf("%s: %v after %d attempts", name, err, runs)
		}
		if !slices.Equal(b.chosen, []string{"a", "b", "c"}) || !b.asked {
			t.Errorf("%s: chosen %v", name, b.chosen)
		}
		if s := group.Status(); s.Members != 3 || s.ByState[breaker.StateOpen] != 2 || s.Totals.Rejected != 0 {
			t.Errorf("%s: the breakers %+v", name, s)
		}
		if s := g.Status().Retries; len(s.Budgets) != 2 || s.Budgets[1].Target != "set" || s.Budgets[1].Retries != 2 {
			t.Errorf("%s: the budgets %+v", name, s.Budgets)
		}
	}
}

// A member that is chosen although its breaker is open is refused, and its neighbours are not.
func TestBalancer_TheMembersBreakerDecides(t *testing.T) {
	g, _ := perMember(t)
	only := func(member string) guard.Call {
		return guard.Call{Target: "set", Targets: &inOrder{members: []string{member}}}
	}
	_ = g.DoCall(t.Context(), only("a"), fail)
	wantCode(t, g.DoCall(t.Context(), only("a"), succeed), fault.CircuitOpen)
	if err := g.DoCall(t.Context(), only("b"), succeed); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
}

func TestBalancer_IsAskedInEveryMode(t *testing.T) {
	for _, m := range []mode.Mode{mode.Enforce, mode.Shadow, mode.Off} {
		b := &inOrder{members: []string{"a"}}
		g := newGuard(t, guard.Config{Mode: m, Breaker: newBreaker(t, breaker.Config{})})
		if err := g.DoCall(t.Context(), guard.Call{Targets: b}, succeed); err != nil || len(b.chosen) != 1 || b.asked {
			t.Errorf("%v: %v, %+v", m, err, b)
		}
		if n := testing.AllocsPerRun(100, func() {
			b.chosen = b.chosen[:0]
			_ = g.DoCall(t.Context(), guard.Call{Targets: b}, succeed)
		}); n > 0 {
			t.Errorf("%v: %v allocations", m, n)
		}
	}
}

// A balancer that panics leaves nothing taken, at the first attempt and at a later one.
func TestBalancer_Panics(t *testing.T) {
	b := &inOrder{members: []string{"a"}, panics: true}
	g := newGuard(t, guard.Config{Concurrency: 1, RateLimit: newLimit(t, 1), Retry: prompt()})
	call := guard.Call{Targets: b, Idempotent: true}
	if v, _ := drive(func() { _ = g.DoCall(t.Context(), call, succeed) }); v != "as told" {
		t.Fatalf("recovered %v", v)
	}
	b.panics = false
	tok, err := g.Enter(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	b.panics = true
	if v, _ := drive(func() { _, _ = tok.Retry(t.Context(), outcome.Failure, errDown) }); v != "as told" {
		t.Errorf("recovered %v", v)
	}
	tok.Done(errDown)
	tok.Close()
	if s := g.Status(); s.InFlight != 0 || s.Results[guard.Failed] != 1 {
		t.Errorf("status %+v", s)
	}
}
