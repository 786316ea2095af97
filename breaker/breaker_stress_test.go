package breaker_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/telemetry"
)

func TestScenario15_FiftyConcurrentSuccesses(t *testing.T) {
	for name, cfg := range rulesOf {
		b := mustNew(t, cfg)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := b.Do(context.Background(), succeed); err != nil {
					t.Error(name, err)
				}
			})
		}
		all.Wait()
		if s := b.Status(); s.State != breaker.StateClosed || s.Totals.Successes != 50 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// N concurrent failures under a threshold of N: the breaker opens on exactly the
// last, whatever the order, so none may be lost.
func TestScenario16_NoFailureIsLost(t *testing.T) {
	for _, cfg := range []breaker.Config{
		{FailureThreshold: 200}, {ConsecutiveFailures: 200}, {FailureRatio: 1, MinCalls: 200},
	} {
		for range testkit.Rounds(20) {
			cfg.Window = time.Hour
			b := mustNew(t, cfg)
			last := b.Allow()
			var all sync.WaitGroup
			for range 199 {
				all.Go(func() { failures(b, 1) })
			}
			all.Wait()
			wantState(t, b, breaker.StateClosed)
			last.Failure(errDown)
			wantState(t, b, breaker.StateOpen)
		}
	}
}

// chain checks that the edges it sees form one unbroken chain.
type chain struct {
	mu    sync.Mutex
	at    breaker.State
	gen   uint64
	edges int
	fault string
}

func (c *chain) see(e breaker.StateChanged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.From != c.at || e.Generation <= c.gen {
		c.fault = fmt.Sprintf("%v after %v, generation %d after %d", e, c.at, e.Generation, c.gen)
	}
	c.at, c.gen = e.To, e.Generation
	c.edges++
}

// Everything at once for a while: the state stays legal, edges arrive in order
// though many goroutines make them, accounts are complete, and the breaker
// recovers at the end.
func TestScenario16_EverythingAtOnce(t *testing.T) {
	for name, cfg := range rulesOf {
		t.Run(name, func(t *testing.T) {
			bus := telemetry.NewBus()
			cfg.Cooldown, cfg.ProbeLease, cfg.Probes, cfg.MinCalls, cfg.Ramp = time.Millisecond, time.Millisecond, 2, 5, time.Millisecond
			b := mustNew(t, cfg, breaker.WithBus(bus))
			var c chain
			_, _ = telemetry.Subscribe(bus, "chain", func(_ context.Context, e breaker.StateChanged) { c.see(e) })
			var made atomic.Uint64
			var all sync.WaitGroup
			rounds := testkit.Rounds(3000)
			for w := range 4 {
				all.Go(func() { mixedCalls(b, rounds, &made) })
				all.Go(func() { operators(b, cfg, rounds/50, w) })
			}
			all.Wait()
			if c.fault != "" || c.edges == 0 {
				t.Errorf("%d edges; %s", c.edges, c.fault)
			}
			b.Automatic("test")
			_ = b.Reconfigure(cfg)
			n := b.Status().Totals
			if got := n.Successes + n.Failures + n.Ignored + n.Rejected; got != made.Load() {
				t.Errorf("%d calls made, %+v", made.Load(), n)
			}
			recovers(t, b)
		})
	}
}

// mixedCalls makes calls that end in every way, some from goroutines of their own
// because they end theirs.
func mixedCalls(b *breaker.Breaker, n int, made *atomic.Uint64) {
	for range n {
		made.Add(1)
		switch rand.IntN(12) {
		case 0, 1, 2:
			_ = b.Do(context.Background(), fail)
		case 3:
			var one sync.WaitGroup
			one.Go(func() { _ = b.Do(context.Background(), func(context.Context) error { runtime.Goexit(); return nil }) })
			one.Wait()
		case 4:
			if p := b.Allow(); p.OK() {
				p.Ignore()
			}
		default:
			_ = b.Do(context.Background(), succeed)
		}
		_ = b.State()
	}
}

func operators(b *breaker.Breaker, cfg breaker.Config, n, seed int) {
	for i := range n {
		switch (i + seed) % 7 {
		case 0:
			_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "test", For: time.Microsecond})
		case 1:
			_ = b.Force(breaker.StateClosed, breaker.Override{Actor: "test", For: time.Microsecond})
		case 2:
			b.Automatic("test")
		case 3:
			b.Reset("test")
		case 4:
			cfg.FailureThreshold = i%5 + 1
			_ = b.Reconfigure(cfg)
		case 5:
			b.Collect(func(telemetry.Sample) {})
		default:
			_ = b.Status()
		}
		runtime.Gosched()
	}
}

// recovers fails unless success alone closes b within a while.
func recovers(t *testing.T, b *breaker.Breaker) {
	t.Helper()
	deadline := time.Now().Add(10 * second)
	for n := 0; n < 20; {
		if b.Do(context.Background(), succeed) == nil && b.State() == breaker.StateClosed {
			n++
		}
		if time.Now().After(deadline) {
			t.Fatalf("does not recover: %+v", b.Status())
		}
		runtime.Gosched()
	}
}

// Successes that end a run of failures side by side, over and over: each of them
// may find the run ended by another between two looks at it.
func TestRunsOfFailuresEndSideBySide(t *testing.T) {
	const workers, rounds = 4, 20_000
	b := mustNew(t, breaker.Config{ConsecutiveFailures: 1_000_000})
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range rounds {
				failing, first, second := b.Allow(), b.Allow(), b.Allow()
				failing.Failure(nil)
				first.Success()
				second.Success()
			}
		})
	}
	all.Wait()
	want := breaker.Counts{Successes: 2 * workers * rounds, Failures: workers * rounds}
	if got := b.Status().Totals; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
