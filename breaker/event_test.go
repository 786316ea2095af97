package breaker_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

func TestScenario33e_HandlersThatPanicOrGoexitHarmNobody(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bus := telemetry.NewBus()
			b := mustNew(t, breaker.Config{FailureThreshold: 1}, breaker.WithBus(bus))
			_, _ = telemetry.Subscribe(bus, "bad", func(context.Context, breaker.StateChanged) { end() })
			seen := watch(t, bus)
			var done sync.WaitGroup
			done.Go(func() { failures(b, 1) })
			done.Wait()
			wantState(t, b, breaker.StateOpen)
			b.Reset("test")
			wantAdmitted(t, b)
			if got := edgesOf(*seen); got != "closed→open open→closed " {
				t.Errorf("edges %s", got)
			}
		})
	}
}

// A handler that ends its goroutine while edges wait: they must still arrive.
func TestGoexitHandsTheQueueOn(t *testing.T) {
	bus := telemetry.NewBus()
	b := mustNew(t, breaker.Config{FailureThreshold: 1}, breaker.WithBus(bus))
	first := true
	_, _ = telemetry.Subscribe(bus, "bad", func(context.Context, breaker.StateChanged) {
		if first {
			first = false
			b.Reset("handler")
			runtime.Goexit()
		}
	})
	seen := watch(t, bus)
	var done sync.WaitGroup
	done.Go(func() { failures(b, 1) })
	done.Wait()
	if got := edgesOf(*seen); got != "closed→open open→closed " {
		t.Errorf("edges %s", got)
	}
}

func TestSlowHandlerDelaysOnlyItsDeliverer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1}, breaker.WithBus(bus))
		var seen []breaker.State
		_, _ = telemetry.Subscribe(bus, "slow", func(_ context.Context, e breaker.StateChanged) {
			time.Sleep(time.Minute)
			seen = append(seen, e.To)
		})
		var deliverer sync.WaitGroup
		deliverer.Go(func() { failures(b, 1) })
		time.Sleep(second)
		began := time.Now()
		b.Reset("a")
		wantAdmitted(t, b)
		failures(b, 1)
		if took := time.Since(began); took != 0 {
			t.Errorf("others waited %v", took)
		}
		deliverer.Wait()
		if len(seen) != 3 || seen[0] != breaker.StateOpen || seen[1] != breaker.StateClosed || seen[2] != breaker.StateOpen {
			t.Errorf("order %v", seen)
		}
	})
}

func TestStuckHandlerCostsBoundedMemory(t *testing.T) {
	bus := telemetry.NewBus()
	b := mustNew(t, breaker.Config{}, breaker.WithBus(bus))
	entered, hold := make(chan struct{}), make(chan struct{})
	var seen []breaker.StateChanged
	_, _ = telemetry.Subscribe(bus, "stuck", func(_ context.Context, e breaker.StateChanged) {
		if seen = append(seen, e); len(seen) == 1 {
			close(entered)
			<-hold
		}
	})
	var deliverer sync.WaitGroup
	deliverer.Go(func() { b.Reset("first") })
	<-entered
	for range 3000 {
		b.Reset("test")
	}
	close(hold)
	deliverer.Wait()
	missed := uint64(0)
	for _, e := range seen {
		missed += e.Missed
	}
	if len(seen) > 1026 || missed+uint64(len(seen)) != 3001 || seen[len(seen)-1].Generation != 3001 {
		t.Errorf("%d delivered, %d missed", len(seen), missed)
	}
}

func TestEventsOfACall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1, SlowRatio: 1, SlowAfter: second, Cooldown: second}, breaker.WithBus(bus))
		var events []breaker.CallExecuted
		var ids []string
		_, _ = telemetry.Subscribe(bus, "t", func(ctx context.Context, e breaker.CallExecuted) {
			events = append(events, e)
			ids = append(ids, telemetry.Correlation(ctx))
		})
		ctx := telemetry.WithCorrelation(t.Context(), "req-1")
		_ = b.Do(ctx, func(context.Context) error { time.Sleep(2 * second); return errDown })
		time.Sleep(second)
		p := b.Allow()
		p.Ignore()
		want := []breaker.CallExecuted{
			{Name: "payments", Outcome: outcome.Failure, Duration: 2 * second, Slow: true, Error: "*errors.errorString"},
			{Name: "payments", Outcome: outcome.Ignored, Probe: true},
		}
		if len(events) != 2 || events[0] != want[0] || events[1] != want[1] || ids[0] != "req-1" {
			t.Errorf("%+v, ids %q", events, ids)
		}
	})
}

func TestEventNamesAreTheContract(t *testing.T) {
	const prefix = "elixir_scope.foundation.infra.circuit_breaker."
	for want, e := range map[string]telemetry.Event{
		"state_change": breaker.StateChanged{}, "call_executed": breaker.CallExecuted{}, "call_rejected": breaker.CallRejected{},
	} {
		if e.EventName() != prefix+want {
			t.Errorf("%s", e.EventName())
		}
	}
}

// A handler of the edge to half-open that ends the goroutine of the probe: the
// probe never runs, so its place must not be taken until a lease ends.
func TestGoexitBeforeAProbeGivesItsPlaceBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second}, breaker.WithBus(bus))
		_, _ = telemetry.Subscribe(bus, "bad", func(_ context.Context, e breaker.StateChanged) {
			if e.To == breaker.StateHalfOpen {
				runtime.Goexit()
			}
		})
		open(t, b)
		time.Sleep(second)
		var done sync.WaitGroup
		done.Go(func() { _ = b.Do(context.Background(), succeed) })
		done.Wait()
		wantAdmitted(t, b)
		wantState(t, b, breaker.StateClosed)
	})
}

func TestOnlyAnOpenBreakerTellsARetryTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{FailureThreshold: 1, Cooldown: second, Ramp: second}, breaker.WithBus(bus))
		seen := watch(t, bus)
		open(t, b)
		time.Sleep(second)
		wantAdmitted(t, b)
		for _, e := range *seen {
			if e.RetryAt.IsZero() == (e.To == breaker.StateOpen) {
				t.Errorf("to %v, retry at %v", e.To, e.RetryAt)
			}
		}
	})
}

func TestGoexitBeforeAnOrdinaryCallCountsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		b := mustNew(t, breaker.Config{}, breaker.WithBus(bus))
		_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "ada", For: second})
		_, _ = telemetry.Subscribe(bus, "bad", func(context.Context, breaker.StateChanged) { runtime.Goexit() })
		time.Sleep(second)
		var done sync.WaitGroup
		done.Go(func() { _ = b.Do(context.Background(), succeed) })
		done.Wait()
		if got := b.Status().Totals; got != (breaker.Counts{}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestDurationsOfCalls(t *testing.T) {
	for name, cfg := range rulesOf {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				bus := telemetry.NewBus()
				b := mustNew(t, cfg, breaker.WithBus(bus))
				before := b.Allow() // nobody listens yet: its beginning may be unknown
				var seen []time.Duration
				_, _ = telemetry.Subscribe(bus, "watch", func(_ context.Context, e breaker.CallExecuted) { seen = append(seen, e.Duration) })
				p, q := b.Allow(), b.AllowAt(clock.Now())
				time.Sleep(second)
				p.Success()
				q.SettleAt(clock.Now().Add(-2*second), outcome.Success, nil) // read on the way here
				if len(seen) != 2 || seen[0] != second || seen[1] != 0 {
					t.Errorf("%v", seen)
				}
				before.Success()
			})
		})
	}
}

// Whoever acts first ends what time has ended, under its own cause.
func TestOperatorsReportTheEndOfAnOverrideBeforeTheirOwn(t *testing.T) {
	for name, act := range map[string]func(*breaker.Breaker){
		"force":       func(b *breaker.Breaker) { _ = b.Force(breaker.StateOpen, breaker.Override{Actor: "bob"}) },
		"reset":       func(b *breaker.Breaker) { b.Reset("bob") },
		"automatic":   func(b *breaker.Breaker) { b.Automatic("bob") },
		"reconfigure": func(b *breaker.Breaker) { _ = b.Reconfigure(breaker.Config{FailureThreshold: 7}) },
		"call":        func(b *breaker.Breaker) { b.Allow() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				bus := telemetry.NewBus()
				b := mustNew(t, breaker.Config{}, breaker.WithBus(bus))
				_ = b.Force(breaker.StateOpen, breaker.Override{Actor: "ada", For: second})
				seen := watch(t, bus)
				time.Sleep(2 * second)
				if since := b.Status().Since; time.Since(since) != second {
					t.Errorf("since %v", since)
				}
				act(b)
				if len(*seen) == 0 || (*seen)[0].Cause != "override_ended" || (*seen)[0].Actor != "ada" {
					t.Errorf("%+v", *seen)
				}
				if since := b.Status().Since; (name == "call" || name == "automatic") && time.Since(since) != second {
					t.Errorf("noticed, and since %v", since)
				}
			})
		})
	}
}
