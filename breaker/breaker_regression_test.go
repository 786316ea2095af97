package breaker_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/telemetry"
)

// halfOpen returns a breaker whose next call is a probe.
func halfOpen(t *testing.T, cfg breaker.Config, opts ...breaker.Option) *breaker.Breaker {
	t.Helper()
	cfg.FailureThreshold, cfg.Cooldown = 1, second
	b := mustNew(t, cfg, opts...)
	open(t, b)
	time.Sleep(second)
	return b
}

// The bug: a panic in a half-open probe leaked its place, and the breaker
// rejected every later call, for ever.
func TestPeer01_PanicInAProbeDoesNotWedge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{})
		func() {
			defer func() { _ = recover() }()
			_ = b.Do(t.Context(), func(context.Context) error { panic("boom") })
		}()
		wantState(t, b, breaker.StateOpen)
		time.Sleep(second)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

// The bug: a success of a call begun before the trip closed the half-open
// breaker while the real probe was out.
func TestPeer03_OldSuccessDoesNotClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		old := b.Allow()
		open(t, b)
		time.Sleep(second)
		probe := b.Allow()
		old.Success()
		wantState(t, b, breaker.StateHalfOpen)
		probe.Failure(errDown)
		wantState(t, b, breaker.StateOpen)
	})
}

// The bug: stale completions gave back places that they never held, which raised
// the number of probes from 3 to 5.
func TestPeer04_StaleCompletionsDoNotRaiseTheProbeCap(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Probes: 3, ProbeSuccesses: 10})
		var stale [5]breaker.Permit
		for i := range stale {
			stale[i] = b.Allow()
		}
		open(t, b)
		time.Sleep(second)
		for range 3 {
			if p := b.Allow(); !p.OK() {
				t.Fatal("a probe was refused")
			}
		}
		stale[0].Success()
		stale[1].Ignore()
		stale[2].Failure(errDown)
		if p := b.Allow(); p.OK() || b.Status().ProbesInFlight != 3 {
			t.Errorf("a fourth probe: %+v", b.Status())
		}
	})
}

// The bug: three calls that their callers gave up opened the breaker.
func TestPeer06_CallerCancellationsDoNotOpen(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 1, ConsecutiveFailures: 1})
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_ = b.Do(ctx, func(ctx context.Context) error { cancel(); <-ctx.Done(); return ctx.Err() })
	}
	wantState(t, b, breaker.StateClosed)
}

// The bug: a probe that its caller cancelled closed the breaker.
func TestPeer07_CancelledProbeNeitherClosesNorOpens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{})
		for range 5 {
			ctx, cancel := context.WithCancel(t.Context())
			_ = b.Do(ctx, func(ctx context.Context) error { cancel(); return ctx.Err() })
			wantState(t, b, breaker.StateHalfOpen)
		}
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

// The bugs: the state read open long after probes were allowed; reading the
// state changed it.
func TestPeer11_StateReadIsWhatACallWouldMeet(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second})
		open(t, b)
		generation := b.Status().Generation
		time.Sleep(second - 1)
		wantState(t, b, breaker.StateOpen)
		time.Sleep(1)
		wantState(t, b, breaker.StateHalfOpen)
		if s := b.Status(); s.Generation != generation || s.State != breaker.StateHalfOpen || !s.RetryAt.IsZero() || time.Since(s.Since) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// The bug: looking at the breaker inside its state-change callback deadlocked.
func TestPeer12_HandlersMayCallTheBreaker(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second}, breaker.WithBus(bus))
		var order []breaker.State
		_, _ = telemetry.Subscribe(bus, "nosy", func(_ context.Context, e breaker.StateChanged) {
			order = append(order, e.To)
			_ = b.State()
			_ = b.Status()
			if e.To == breaker.StateOpen {
				b.Reset("handler") // makes an edge of its own, delivered after this one
				if len(order) != 1 {
					t.Error("the handler's own edge overtook it")
				}
			}
		})
		failures(b, 1)
		if len(order) != 2 || order[0] != breaker.StateOpen || order[1] != breaker.StateClosed {
			t.Errorf("order %v", order)
		}
	})
}

// The bug: a probe that ended its goroutine, or whose done was never called,
// left the breaker half-open and rejecting for ever.
func TestPeer13_GoexitInAProbeDoesNotWedge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := halfOpen(t, breaker.Config{})
		var done sync.WaitGroup
		done.Go(func() {
			_ = b.Do(context.Background(), func(context.Context) error { runtime.Goexit(); return nil })
		})
		done.Wait()
		wantState(t, b, breaker.StateOpen)
		time.Sleep(second)
		_ = b.Allow() // a probe that nobody ever settles
		wantRefused(t, b)
		time.Sleep(b.Status().Config.ProbeLease)
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

// The bug: a lock was held across the user's call, so that healthy calls were
// made one after the other.
func TestPeer14_CallsRunSideBySide(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, cfg := range rulesOf {
			b := mustNew(t, cfg)
			began := time.Now()
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() {
					err := b.Do(t.Context(), func(context.Context) error { time.Sleep(second / 2); return nil })
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if took := time.Since(began); took != second/2 {
				t.Errorf("50 calls of half a second took %v", took)
			}
		}
	})
}

// The bug: in the rolling mode twenty failures in a row never reached "five
// consecutive", because the count went with the buckets.
func TestPeer15_ConsecutiveFailuresAreNotForgottenByTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{ConsecutiveFailures: 5, FailureRatio: 1, MinCalls: 1000, Window: second})
		for range 5 {
			wantState(t, b, breaker.StateClosed)
			failures(b, 1)
			time.Sleep(2 * second)
		}
		wantState(t, b, breaker.StateOpen)
	})
}

// The bug: editing any threshold closed an open breaker.
func TestPeer16_EditingAThresholdDoesNotClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: 10 * second})
		open(t, b)
		for n := 2; n < 9; n++ {
			time.Sleep(second)
			if err := b.Reconfigure(breaker.Config{FailureThreshold: n, FailureRatio: 0.9, Cooldown: time.Millisecond}); err != nil {
				t.Fatal(err)
			}
			wantState(t, b, breaker.StateOpen)
		}
	})
}

// The bug: half-open admitted 100 of 100 concurrent calls.
func TestPeer17_HalfOpenAdmitsOnlyItsProbes(t *testing.T) {
	for _, probes := range []int{1, 3} {
		bubble(t, func(t *testing.T) {
			b := halfOpen(t, breaker.Config{Probes: probes})
			ran := make(chan struct{}, 100)
			hold := make(chan struct{})
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					_ = b.Do(t.Context(), func(context.Context) error { ran <- struct{}{}; <-hold; return nil })
				})
			}
			time.Sleep(1) // until every goroutine waits or has been refused
			if len(ran) != probes {
				t.Errorf("%d calls ran, not %d", len(ran), probes)
			}
			close(hold)
			all.Wait()
			wantState(t, b, breaker.StateClosed)
		})
	}
}

// The bug: panics in the closed state were not counted.
func TestPeer20_PanicsInTheClosedStateCount(t *testing.T) {
	b := mustNew(t, breaker.Config{FailureThreshold: 3})
	for range 3 {
		func() {
			defer func() { _ = recover() }()
			_, _ = breaker.Do(t.Context(), b, func(context.Context) (int, error) { panic("boom") })
		}()
	}
	wantState(t, b, breaker.StateOpen)
}
