package guard_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/telemetry"
)

// What a change of the internals could break and a user would notice.

// A breaker's own time limit is of no effect below a guard, and only then is there
// something to warn of.
func TestWarningsNameTheTimeLimitOfABreaker(t *testing.T) {
	limited := breaker.Config{CallTimeout: time.Second}
	for name, c := range map[string]struct {
		cfg   guard.Config
		warns bool
	}{
		"none":            {guard.Config{}, false},
		"breaker":         {guard.Config{Breaker: newBreaker(t, breaker.Config{})}, false},
		"group":           {guard.Config{Breakers: must(breaker.NewGroup("hosts", breaker.Config{}, 0))}, false},
		"limited breaker": {guard.Config{Breaker: newBreaker(t, limited)}, true},
		"limited group":   {guard.Config{Breakers: must(breaker.NewGroup("hosts", limited, 0))}, true},
	} {
		warned := slices.ContainsFunc(c.cfg.Warnings(), func(p fault.Problem) bool {
			return p.Field == "breaker" && p.Warning && strings.Contains(p.Message, "call_timeout")
		})
		if warned != c.warns || len(c.cfg.Warnings()) > 1 {
			t.Errorf("%s: %v", name, c.cfg.Warnings())
		}
	}
}

// odd refuses with a code that guards do not know.
type odd struct{ code fault.Code }

func (odd) Refusing() *atomic.Uint32 { return nil }

func (o odd) Admit(context.Context, guard.Call) *fault.Error {
	if o.code == 0 {
		return nil
	}
	return fault.New(fault.Spec{Code: o.code})
}

// The reasons of refusals that are listed are the usual ones, and others as soon as
// there was one.
func TestStatusListsUnusualReasonsOnceTheyOccurred(t *testing.T) {
	for _, how := range []mode.Mode{mode.Enforce, mode.Shadow} {
		g := newGuard(t, guard.Config{Mode: how})
		list := func() map[fault.Code]uint64 {
			if how == mode.Shadow {
				return g.Status().WouldRefuse
			}
			return g.Status().Refused
		}
		usual := len(list())
		for code, n := range list() {
			if n != 0 || code == fault.Conflict {
				t.Errorf("%v: %v %d times from the start", how, code, n)
			}
		}
		if err := g.Reconfigure(guard.Config{Mode: how, Admission: odd{fault.Conflict}}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_ = g.Do(t.Context(), succeed)
		}
		if got := list(); len(got) != usual+1 || got[fault.Conflict] != 3 {
			t.Errorf("%v: %v", how, got)
		}
	}
}

// A lease ends when it ends, whatever others were opened before or after it, and
// nobody is told of leases that did not.
func TestLeasesEndInTheirOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, text := telemetry.NewBus(), &bytes.Buffer{}
		var mu sync.Mutex // each timer has a goroutine of its own
		var told []int
		must(telemetry.Subscribe(bus, "t", func(_ context.Context, e guard.LeasesExpired) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Count)
		}))
		g := newGuard(t, guard.Config{Concurrency: 100}, guard.WithBus(bus), guard.WithLogger(slog.New(slog.NewTextHandler(text, nil))))
		var open []*guard.Token
		for _, lease := range []time.Duration{30, 10, 20, 10, 40} {
			open = append(open, must(g.Enter(t.Context(), guard.Call{Lease: lease * time.Second})))
		}
		for _, c := range []struct {
			after time.Duration
			taken int64
		}{{10*time.Second - 1, 5}, {1, 3}, {10*time.Second - 1, 3}, {1, 2}, {10 * time.Second, 1}} {
			wait(c.after)
			if taken := g.Status().SlotsTaken; taken != c.taken {
				t.Errorf("%v later %d places are taken, want %d", c.after, taken, c.taken)
			}
		}
		if !slices.Equal(told, []int{2, 1, 1}) {
			t.Errorf("told of %v expired leases", told)
		}
		lines := strings.Count(text.String(), "\n")
		open[4].Done(nil) // in time; a timer still looks for its end
		wait(time.Hour)
		if s := g.Status(); s.SlotsTaken != 0 || s.LeasesExpired != 4 || len(told) != 3 || strings.Count(text.String(), "\n") != lines {
			t.Errorf("%d places, %d expired, told %v, logged %s", s.SlotsTaken, s.LeasesExpired, told, text)
		}
	})
}

// An earlier end that comes after a later one is seen when a place is needed, too.
func TestAFullGuardTakesBackTheLeaseThatEndsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Concurrency: 2})
		for _, lease := range []time.Duration{time.Hour, time.Second} {
			must(g.Enter(t.Context(), guard.Call{Lease: lease}))
		}
		wantCode(t, g.Do(t.Context(), succeed), fault.ConcurrencyLimited)
		wait(time.Second)
		if err := g.Do(t.Context(), succeed); err != nil {
			t.Errorf("the place of an expired lease is not given: %v", err)
		}
	})
}
