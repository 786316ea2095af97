package eventstore_test

import (
	"context"
	"fmt"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

func ExampleNewMemory() {
	store, err := eventstore.NewMemory(eventstore.MemoryOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	_, err = store.Append(ctx,
		eventstore.Event{Type: "deploy.started", Name: "shop", Correlation: "build-17"},
		eventstore.Event{Type: "circuit_breaker.state_change", Name: "payments", Severity: fault.SeverityWarning, Data: []byte(`{"to":"open"}`)},
		eventstore.Event{Type: "deploy.finished", Name: "shop", Correlation: "build-17"},
	)
	if err != nil {
		fmt.Println(err)
	}
	page, err := store.Find(ctx, eventstore.Query{Type: "deploy.*", Correlation: "build-17"})
	for _, e := range page.Events {
		fmt.Println(e.Seq, e.Type, e.Severity)
	}
	fmt.Println(page.More, err)
	// Output:
	// 1 deploy.started info
	// 3 deploy.finished info
	// false <nil>
}

func ExamplePrepare() {
	store, _ := eventstore.NewMemory(eventstore.MemoryOptions{})
	_, err := store.Append(context.Background(),
		eventstore.Event{Type: "deploy started"},
		eventstore.Event{Type: "deploy", Data: []byte(`{"version":}`)})
	fmt.Println(err)
	// Output:
	// event_store: invalid_argument: the batch is invalid; none of it was stored
	//	events[0].type "deploy started": invalid at byte 6: a type has 1 to 256 letters, digits and _ . : / -
	//	events[1].data "{\"version\":}": invalid JSON at byte 12
}

func ExampleFeed_Tail() {
	store, _ := eventstore.NewMemory(eventstore.MemoryOptions{})
	feed := eventstore.NewFeed(store, 0)
	ctx := context.Background()
	go func() {
		for i := range 3 {
			_, _ = feed.Append(ctx, eventstore.Event{Type: "tick", Name: fmt.Sprint(i)})
		}
	}()
	seen := 0
	for e, err := range feed.Tail(ctx, eventstore.Query{Type: "tick"}) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(e.Name)
		if seen++; seen == 3 {
			break
		}
	}
	// Output:
	// 0
	// 1
	// 2
}

// deployed is an event that is worth keeping.
type deployed struct{ Service, Version string }

func (deployed) EventName() string                { return "shop.deployed" }
func (d deployed) Edge() (string, fault.Severity) { return d.Service, fault.SeverityInfo }

func ExampleRecorder() {
	ctx := context.Background()
	store, err := eventstore.NewMemory(eventstore.MemoryOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	bus := telemetry.NewBus()
	recorder, err := eventstore.NewRecorder(store, bus, eventstore.RecorderOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	// A program runs recorder.Serve as a supervised service. Here Close stores what waits.
	telemetry.TopicOf[deployed](bus).Emit(ctx, deployed{Service: "checkout", Version: "1.2"})
	if err := recorder.Close(ctx); err != nil {
		fmt.Println(err)
	}
	page, err := store.Find(ctx, eventstore.Query{Type: "shop.*"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range page.Events {
		fmt.Println(e.Type, e.Name, string(e.Data))
	}
	// Output: shop.deployed checkout {"service":"checkout","version":"1.2"}
}
