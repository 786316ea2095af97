package health_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/telemetry"
)

// Two checks, one of which stands on the other: the report names the root cause.
func Example() {
	unreachable := func(context.Context) error { return errors.New("connection refused") }
	bus := telemetry.NewBus()
	changes := make(chan string, 10)
	_, err := telemetry.Subscribe(bus, "example", func(_ context.Context, e health.StatusChanged) { changes <- e.Component })
	if err != nil {
		fmt.Println(err)
		return
	}
	a := health.New(health.Options{Bus: bus})
	err = a.Add(
		health.Check{Name: "orders_db", Run: unreachable, Config: health.Config{Criticality: health.Hard}},
		health.Check{Name: "orders", Run: unreachable, Config: health.Config{DependsOn: []string{"orders_db"}}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Serve(ctx) }() // in a program: a supervised service
	for told := map[string]bool{}; !told["orders_db"] || !told["orders"]; {
		told[<-changes] = true
	}
	r := a.Report()
	fmt.Println(r.Status, r.Score)
	for _, c := range r.Components {
		fmt.Println(c.Name, c.Status, c.Output, c.Causes)
	}
	stop()
	<-ended
	// Output:
	// fail 30
	// orders_db fail connection refused []
	// orders fail connection refused [orders_db]
}

// A warning is something to look at that is no failure.
func ExampleWarning() {
	free := 0.12
	check := func(context.Context) error {
		if free < 0.2 {
			return health.Warning(fmt.Errorf("%.0f %% of the disk are free", 100*free))
		}
		return nil
	}
	fmt.Println(check(context.Background()))
	// Output: 12 % of the disk are free
}
