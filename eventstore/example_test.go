package eventstore_test

import (
	"context"
	"fmt"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
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
