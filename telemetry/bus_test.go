package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

type opened struct{ Name string }

func (opened) EventName() string { return telemetry.Prefix + "circuit_breaker.opened" }

type denied struct{ Count int }

func (denied) EventName() string { return telemetry.Prefix + "rate_limiter.denied" }

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestHandlersRunInTheEmitterInOrder(t *testing.T) {
	bus := telemetry.NewBus()
	topic := telemetry.TopicOf[opened](bus)
	var got []string
	s, err := telemetry.Subscribe(bus, "first", func(_ context.Context, e opened) { got = append(got, "first "+e.Name) })
	must(t, s, err)
	s, err = bus.SubscribePrefix(telemetry.Prefix+"circuit_breaker.", "second", func(_ context.Context, e telemetry.Event) {
		got = append(got, "second "+e.EventName())
	})
	must(t, s, err)
	topic.Emit(t.Context(), opened{"a"})
	telemetry.TopicOf[denied](bus).Emit(t.Context(), denied{}) // matches neither
	want := []string{"first a", "second " + opened{}.EventName()}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSubscribeBeforeAndAfterTheTopicExists(t *testing.T) {
	bus := telemetry.NewBus()
	n := 0
	_, err := bus.SubscribePrefix("", "early", func(context.Context, telemetry.Event) { n++ })
	if err != nil {
		t.Fatal(err)
	}
	topic := telemetry.TopicOf[denied](bus)
	s, err := telemetry.Subscribe(bus, "late", func(context.Context, denied) { n++ })
	must(t, s, err)
	topic.Emit(t.Context(), denied{})
	if n != 2 {
		t.Errorf("%d of 2 handlers ran", n)
	}
	s.Cancel()
	s.Cancel()
	topic.Emit(t.Context(), denied{})
	if n != 3 {
		t.Errorf("after unsubscribing one of two, %d deliveries, want 3", n)
	}
}

func TestATakenIDIsRefused(t *testing.T) {
	bus := telemetry.NewBus()
	fn := func(context.Context, denied) {}
	s, err := telemetry.Subscribe(bus, "x", fn)
	must(t, s, err)
	if _, err := telemetry.Subscribe(bus, "x", fn); !errors.Is(err, fault.AlreadyExists) {
		t.Errorf("a second x: %v", err)
	}
	s.Cancel()
	if _, err := telemetry.Subscribe(bus, "x", fn); err != nil {
		t.Errorf("x again after it was canceled: %v", err)
	}
	if _, err := telemetry.Subscribe[denied](bus, "y", nil); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("a nil handler: %v", err)
	}
}

func TestANilBusIsSilent(t *testing.T) {
	var bus *telemetry.Bus
	topic := telemetry.TopicOf[denied](bus)
	s, err := telemetry.Subscribe(bus, "x", func(context.Context, denied) { t.Error("delivered") })
	must(t, s, err).Cancel()
	topic.Emit(t.Context(), denied{})
	if topic.Active() || bus.HandlerFailures() != 0 {
		t.Error("a nil bus is active")
	}
}

func TestAFailingHandlerIsQuarantinedAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		topic := telemetry.TopicOf[denied](bus)
		calls, others, broken := 0, 0, true
		_, _ = telemetry.Subscribe(bus, "fragile", func(context.Context, denied) {
			calls++
			if broken {
				panic("no disk")
			}
		})
		_, _ = telemetry.Subscribe(bus, "sound", func(context.Context, denied) { others++ })
		var reports []telemetry.HandlerFailed
		_, _ = telemetry.Subscribe(bus, "reports", func(_ context.Context, e telemetry.HandlerFailed) { reports = append(reports, e) })

		topic.Emit(t.Context(), denied{})
		topic.Emit(t.Context(), denied{}) // fragile is in quarantine
		if calls != 1 || others != 2 || len(reports) != 1 || bus.HandlerFailures() != 1 {
			t.Fatalf("fragile ran %d times, sound %d times, %d reports", calls, others, len(reports))
		}
		if r := reports[0]; r.Handler != "fragile" || r.Event != (denied{}).EventName() || r.Reason != "panic: no disk" {
			t.Errorf("report %+v", r)
		}
		time.Sleep(time.Second)
		topic.Emit(t.Context(), denied{}) // fails again: the pause doubles
		time.Sleep(1999 * time.Millisecond)
		topic.Emit(t.Context(), denied{})
		if calls != 2 {
			t.Errorf("ran %d times within the doubled pause", calls)
		}
		broken = false
		time.Sleep(time.Millisecond)
		topic.Emit(t.Context(), denied{})
		topic.Emit(t.Context(), denied{})
		if calls != 4 {
			t.Errorf("ran %d times, want 4: it has recovered", calls)
		}
	})
}

func TestGoexitInAHandlerDoesNotSilenceTheOthers(t *testing.T) {
	bus := telemetry.NewBus()
	topic := telemetry.TopicOf[denied](bus)
	var got []string
	_, _ = telemetry.Subscribe(bus, "exits", func(context.Context, denied) { runtime.Goexit() })
	_, _ = telemetry.Subscribe(bus, "panics", func(context.Context, denied) { panic("also") })
	_, _ = telemetry.Subscribe(bus, "sound", func(context.Context, denied) { got = append(got, "sound") })
	var wg sync.WaitGroup
	wg.Go(func() { topic.Emit(context.Background(), denied{}) })
	wg.Wait()
	if len(got) != 1 || bus.HandlerFailures() != 2 {
		t.Errorf("sound ran %d times, %d failures", len(got), bus.HandlerFailures())
	}
}

func TestAFailingListenerToFailuresDoesNotRecurse(t *testing.T) {
	bus := telemetry.NewBus()
	_, _ = bus.SubscribePrefix("", "all", func(context.Context, telemetry.Event) { panic("always") })
	telemetry.TopicOf[denied](bus).Emit(t.Context(), denied{})
	if n := bus.HandlerFailures(); n != 1 {
		t.Errorf("%d failures: the handler was in quarantine for its own report", n)
	}
}

func TestConcurrentEmitSubscribeCancel(t *testing.T) {
	bus := telemetry.NewBus()
	topic := telemetry.TopicOf[denied](bus)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 300 {
				s, err := telemetry.Subscribe(bus, fmt.Sprint(i, j), func(context.Context, denied) {})
				if err != nil {
					t.Error(err)
				}
				topic.Emit(t.Context(), denied{j})
				s.Cancel()
			}
		})
	}
	wg.Wait()
	if topic.Active() {
		t.Error("every handler was canceled, yet the topic is active")
	}
}

func TestNobodyListeningAllocatesNothing(t *testing.T) {
	topic := telemetry.TopicOf[denied](telemetry.NewBus())
	if n := testing.AllocsPerRun(100, func() { topic.Emit(context.Background(), denied{1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestATypedHandlerAllocatesNothing(t *testing.T) {
	bus := telemetry.NewBus()
	topic := telemetry.TopicOf[denied](bus)
	sum := 0
	_, _ = telemetry.Subscribe(bus, "sum", func(_ context.Context, e denied) { sum += e.Count })
	if n := testing.AllocsPerRun(100, func() { topic.Emit(context.Background(), denied{1}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// tripped is an edge that is worth keeping from the second time on.
type tripped struct{ Times int }

func (tripped) EventName() string { return telemetry.Prefix + "test.tripped" }

func (e tripped) Edge() (string, fault.Severity) {
	if e.Times < 2 {
		return "payments", ""
	}
	return "payments", fault.SeverityWarning
}

// A recorder of edges makes nobody build events for calls.
func TestEdges(t *testing.T) {
	bus := telemetry.NewBus()
	early := telemetry.TopicOf[denied](bus)
	var got []string
	s, err := bus.SubscribeEdges("recorder", func(_ context.Context, e telemetry.Edge) {
		name, severity := e.Edge()
		got = append(got, fmt.Sprintf("%s %s %q", e.EventName(), name, severity))
	})
	if err != nil {
		t.Fatal(err)
	}
	if early.Active() || telemetry.TopicOf[opened](bus).Active() {
		t.Error("events of calls are built for a recorder of edges")
	}
	topic := telemetry.TopicOf[tripped](bus)
	topic.Emit(t.Context(), tripped{1})
	topic.Emit(t.Context(), tripped{2})
	s.Cancel()
	topic.Emit(t.Context(), tripped{3})
	name := tripped{}.EventName()
	if want := []string{name + ` payments ""`, name + ` payments "warning"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := bus.SubscribeEdges("nil", nil); !errors.Is(err, fault.InvalidArgument) {
		t.Error(err)
	}
}

func TestCorrelation(t *testing.T) {
	ctx := telemetry.WithCorrelation(t.Context(), "req-7")
	if got := telemetry.Correlation(ctx); got != "req-7" {
		t.Errorf("got %q", got)
	}
	if got := telemetry.Correlation(t.Context()); got != "" {
		t.Errorf("a plain context carries %q", got)
	}
}

func BenchmarkEmitNobodyListens(b *testing.B) {
	topic := telemetry.TopicOf[denied](telemetry.NewBus())
	for b.Loop() {
		if topic.Active() {
			topic.Emit(context.Background(), denied{1})
		}
	}
}

func ExampleSubscribe() {
	bus := telemetry.NewBus()
	subscription, err := telemetry.Subscribe(bus, "pager", func(_ context.Context, e opened) {
		fmt.Println("wake somebody:", e.Name)
	})
	if err != nil {
		panic(err)
	}
	defer subscription.Cancel()
	telemetry.TopicOf[opened](bus).Emit(context.Background(), opened{Name: "payments"})
	// Output: wake somebody: payments
}
