package breaker_test

import (
	"context"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// wantNoAllocs asserts only without the race detector, which changes what
// allocates; fn runs either way.
func wantNoAllocs(t *testing.T, what string, fn func()) {
	t.Helper()
	if got := testing.AllocsPerRun(200, fn); got != 0 && !testkit.Race {
		t.Errorf("%s allocates %v times", what, got)
	}
}

func TestHotPathsDoNotAllocate(t *testing.T) {
	for name, cfg := range rulesOf {
		b := mustNew(t, cfg, breaker.WithBus(telemetry.NewBus()))
		n := 0
		wantNoAllocs(t, name+": permit", func() { p := b.Allow(); p.Success() })
		wantNoAllocs(t, name+": Do with a capturing closure", func() {
			_ = b.Do(context.Background(), func(context.Context) error { n++; return nil })
		})
		wantNoAllocs(t, name+": typed Do", func() {
			v, _ := breaker.Do(context.Background(), b, func(context.Context) (int, error) { return n, nil })
			n = v
		})
		wantNoAllocs(t, name+": look, permit and settlement of a guard", func() {
			now := clock.Now()
			if l := b.LookAt(now); l.OK() {
				p := b.AllowAt(now)
				p.SettleAt(now.Add(1), outcome.Success, nil)
			}
		})
	}
}

func TestFailuresDoNotAllocate(t *testing.T) {
	for name, cfg := range map[string]breaker.Config{
		"count": {FailureThreshold: 4000, Window: time.Millisecond},
		"ratio": {FailureRatio: 1, MinCalls: 1_000_000},
	} {
		b := mustNew(t, cfg)
		failures(b, 300) // the ring has grown
		wantNoAllocs(t, name, func() { p := b.Allow(); p.Failure(errDown) })
	}
}

func TestRefusalsDoNotAllocate(t *testing.T) {
	for name, prepare := range map[string]func(*breaker.Breaker){
		"open":      func(b *breaker.Breaker) { failures(b, 1) },
		"forced":    func(b *breaker.Breaker) { _ = b.Force(breaker.StateOpen, breaker.Override{Actor: "test"}) },
		"injected":  func(b *breaker.Breaker) { _ = b.InjectRefusals(1) },
		"half-open": func(b *breaker.Breaker) { failures(b, 1); b.AllowAt(clock.Now().Add(2 * time.Hour)) },
	} {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: time.Hour, ProbeLease: 24 * time.Hour})
		prepare(b)
		wantNoAllocs(t, name+": permit", func() {
			if p := b.Allow(); p.OK() || p.Err() == nil {
				t.Fatal(name, "admitted")
			}
		})
		wantNoAllocs(t, name+": Do", func() { _ = b.Do(context.Background(), succeed) })
		wantNoAllocs(t, name+": State", func() { _ = b.State() })
	}
}

func TestGroupLookupDoesNotAllocate(t *testing.T) {
	g := mustGroup(t, breaker.Config{}, 0)
	host, tenant := "example.org", 42
	wantNoAllocs(t, "For", func() { p := g.For(host, tenant).Allow(); p.Success() })
}
