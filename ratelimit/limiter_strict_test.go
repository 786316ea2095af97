package ratelimit_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// Calls of a key that is known already take the shortest way: each is counted once all
// the same, and told to who listens, also to one who came later.
func TestCallsOfAKnownKeyAreCountedOnceAndTold(t *testing.T) {
	bus := telemetry.NewBus()
	l := must(t, ratelimit.Config{Limit: 10, Per: time.Hour}, ratelimit.WithBus(bus))
	take(l, user, 3)
	var told []int64
	if _, err := telemetry.Subscribe(bus, "told", func(_ context.Context, e ratelimit.RequestAllowed) { told = append(told, e.Remaining) }); err != nil {
		t.Fatal(err)
	}
	take(l, user, 2)
	if st := l.Status(); st.Allowed != 5 || len(told) != 2 || told[0] != 6 || told[1] != 5 {
		t.Errorf("%d allowed, told %v", st.Allowed, told)
	}
}

func TestAChainHasEightRulesAtTheMost(t *testing.T) {
	top := must(t, ratelimit.Config{Limit: 1})
	for range 7 {
		top = under(t, top, ratelimit.Config{Limit: 1})
	}
	l := must(t, ratelimit.Config{Limit: 1})
	if err := l.SetParent(top); !errors.Is(err, fault.InvalidConfig) || l.Parent() != nil {
		t.Errorf("the ninth was accepted: %v", err)
	}
}

// The list of refused keys shows when a key was refused last, and of a long one the
// beginning.
func TestTopDeniedShowsTheLastRefusalAndCutsLongKeys(t *testing.T) {
	l := must(t, ratelimit.Config{Limit: -1, Per: time.Hour})
	whole, long := strings.Repeat("k", 256), strings.Repeat("l", 257)
	for i, key := range []string{whole, long, long} {
		l.AllowAt(clock.Instant(i)*clock.Instant(time.Second), ratelimit.KeyOf(key), 1)
	}
	top := l.Status().TopDenied
	if len(top) != 2 || top[0].Key != long[:256]+"…" || top[1].Key != whole || top[0].Last.Sub(top[1].Last) != 2*time.Second {
		t.Errorf("%+v", top)
	}
}
