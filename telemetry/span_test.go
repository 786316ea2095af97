package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

// spans collects the events of spans, with their ids numbered as they come.
func spans(t *testing.T, bus *telemetry.Bus) *[]string {
	t.Helper()
	var got []string
	ids := map[string]int{"": 0}
	id := func(text string) int {
		if _, known := ids[text]; !known {
			ids[text] = len(ids)
		}
		return ids[text]
	}
	_, err := bus.SubscribePrefix(telemetry.Prefix+"telemetry.span_", "test", func(_ context.Context, e telemetry.Event) {
		switch e := e.(type) {
		case telemetry.SpanStarted:
			got = append(got, fmt.Sprintf("%s %d in %d started", e.Name, id(e.ID), id(e.Parent)))
		case telemetry.SpanStopped:
			got = append(got, fmt.Sprintf("%s %d in %d stopped after %v: %v", e.Name, id(e.ID), id(e.Parent), e.Duration, e.Err))
		case telemetry.SpanException:
			got = append(got, fmt.Sprintf("%s %d in %d exception after %v: %s", e.Name, id(e.ID), id(e.Parent), e.Duration, e.Reason))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return &got
}

func TestSpan_NestsByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		got := spans(t, bus)
		down := errors.New("down")
		err := telemetry.Span(t.Context(), bus, "outer", func(ctx context.Context) error {
			time.Sleep(time.Second)
			return telemetry.Span(ctx, bus, "inner", func(context.Context) error {
				time.Sleep(time.Second)
				return down
			})
		})
		want := []string{
			"outer 1 in 0 started", "inner 2 in 1 started", "inner 2 in 1 stopped after 1s: down", "outer 1 in 0 stopped after 2s: down",
		}
		if !errors.Is(err, down) || !slices.Equal(*got, want) {
			t.Errorf("%v\n%q, want\n%q", err, *got, want)
		}
	})
}

func TestSpan_TellsOfAPanicAndLetsItGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		got := spans(t, bus)
		func() {
			defer func() {
				if cause := recover(); cause != "boom" {
					t.Errorf("the caller sees %v", cause)
				}
			}()
			_ = telemetry.Span(t.Context(), bus, "a", func(context.Context) error { panic("boom") })
		}()
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = telemetry.Span(t.Context(), bus, "b", func(context.Context) error { runtime.Goexit(); return nil })
		}()
		<-ended
		want := []string{
			"a 1 in 0 started", "a 1 in 0 exception after 0s: panic: boom",
			"b 2 in 0 started", "b 2 in 0 exception after 0s: the operation ended its goroutine",
		}
		if !slices.Equal(*got, want) {
			t.Errorf("%q, want\n%q", *got, want)
		}
	})
}

func TestSpan_CostsNothingWhileNobodyListens(t *testing.T) {
	for _, bus := range []*telemetry.Bus{nil, telemetry.NewBus()} {
		calls := 0
		fn := func(context.Context) error { calls++; return nil }
		if n := testing.AllocsPerRun(100, func() { _ = telemetry.Span(context.Background(), bus, "a", fn) }); n != 0 || calls == 0 {
			t.Errorf("%v allocations, %d calls", n, calls)
		}
	}
}

func ExampleSpan() {
	bus := telemetry.NewBus()
	_, err := telemetry.Subscribe(bus, "example", func(_ context.Context, e telemetry.SpanStopped) {
		fmt.Println(e.Name, "returned", e.Err)
	})
	if err != nil {
		fmt.Println(err)
	}
	err = telemetry.Span(context.Background(), bus, "load catalogue", func(context.Context) error { return nil })
	fmt.Println(err)
	// Output:
	// load catalogue returned <nil>
	// <nil>
}
