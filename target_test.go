package foundation_test

import (
	"errors"
	"testing"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// A file chooses, and changes, what a group has one breaker for.
func TestABreakerOfTheFileIsPerTargetOrPerKey(t *testing.T) {
	text := func(per string) string {
		return "breakers: { hosts: { failure_threshold: 1, per: " + per + " } }\nguards: { g: { breaker: hosts } }\n"
	}
	f, err := foundation.Open(t.Context(), foundation.Options{Config: parse(t, text("target"), nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close(t.Context()) }()
	g, err := f.Guard("g")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(user, target string) bool {
		call := guard.Call{Key: ratelimit.KeyOf(user), Target: target}
		return errors.Is(g.DoCall(t.Context(), call, fine), fault.CircuitOpen)
	}
	fails := guard.Call{Key: ratelimit.KeyOf("ann"), Target: "a"}
	_ = g.DoCall(t.Context(), fails, boom)
	if !refused("bob", "a") || refused("ann", "b") {
		t.Error("per: target looks at the key")
	}
	if _, err := f.Config().Apply(t.Context(), parse(t, text("key"), nil), config.By{}); err != nil {
		t.Fatal(err)
	}
	_ = g.DoCall(t.Context(), fails, boom)
	if refused("bob", "a") || !refused("ann", "b") {
		t.Error("per: key looks at the target")
	}
}
