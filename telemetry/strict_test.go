package telemetry_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

// apart calls f where it may end its goroutine.
func apart(f func()) {
	var wg sync.WaitGroup
	wg.Go(f)
	wg.Wait()
}

// ending is what a handler panics with; being shown, it ends the goroutine.
type ending struct{}

func (ending) String() string { runtime.Goexit(); return "" }

// The bug: who listens to failures of handlers, or the value that one panicked with,
// could end the delivery for all handlers behind the one that failed.
func TestWhatIsToldOfAFailureDoesNotSilenceTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		cause    any
		listener func(context.Context, telemetry.HandlerFailed)
	}{
		"a listener that ends the goroutine": {"boom", func(context.Context, telemetry.HandlerFailed) { runtime.Goexit() }},
		"a listener that panics":             {"boom", func(context.Context, telemetry.HandlerFailed) { panic("too") }},
		"a value that ends the goroutine":    {ending{}, func(context.Context, telemetry.HandlerFailed) {}},
	} {
		bus := telemetry.NewBus()
		sound := 0
		_, _ = telemetry.Subscribe(bus, "listener", c.listener)
		_, _ = telemetry.Subscribe(bus, "panics", func(context.Context, denied) { panic(c.cause) })
		_, _ = telemetry.Subscribe(bus, "sound", func(context.Context, denied) { sound++ })
		apart(func() { telemetry.TopicOf[denied](bus).Emit(context.Background(), denied{}) })
		if sound != 1 {
			t.Errorf("%s: the handler behind was called %d times", name, sound)
		}
	}
}

// A handler that fails again and again is left out for a second, then two, and so on
// up to a minute; one success forgives everything.
func TestTheQuarantineToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		topic := telemetry.TopicOf[denied](bus)
		runs, fails := 0, true
		var pause time.Duration
		_, _ = telemetry.Subscribe(bus, "told", func(_ context.Context, e telemetry.HandlerFailed) { pause = e.Pause })
		_, _ = telemetry.Subscribe(bus, "fails", func(context.Context, denied) {
			if runs++; fails {
				panic("boom")
			}
		})
		want := func(ran int) {
			t.Helper()
			if topic.Emit(t.Context(), denied{}); runs != ran {
				t.Fatalf("ran %d times, want %d", runs, ran)
			}
		}
		for i, seconds := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			want(i + 1)
			if pause != seconds*time.Second {
				t.Fatalf("told of a pause of %v, want %d s", pause, seconds)
			}
			time.Sleep(pause - 1)
			want(i + 1)
			time.Sleep(1)
		}
		fails = false
		want(9)
		want(10)
		fails = true
		want(11)
		if pause != time.Second {
			t.Errorf("after a success the pause is %v", pause)
		}
	})
}

// A subscription that was never made can be canceled in a defer all the same.
func TestCancelingANilSubscriptionDoesNothing(_ *testing.T) {
	var none *telemetry.Subscription
	none.Cancel()
}
