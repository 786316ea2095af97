package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

func ExampleOpen() {
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{Config: &config.Config{
		Breakers: map[string]config.Breaker{"payments": {Config: breaker.Config{FailureThreshold: 1}}},
		Guards:   map[string]config.Guard{"checkout": {Breaker: "payments", Timeout: 2 * time.Second}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fnd.Close(ctx) }()

	checkout, err := fnd.Guard("checkout")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(checkout.Do(ctx, func(context.Context) error { return errors.New("card service is down") }))
	err = checkout.Do(ctx, func(context.Context) error { return nil })
	fmt.Println(errors.Is(err, fault.CircuitOpen))
	// Output:
	// card service is down
	// true
}

func ExampleFoundation_Apply() {
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{Config: &config.Config{Guards: map[string]config.Guard{"checkout": {}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fnd.Close(ctx) }()

	now, _, _ := fnd.Config()
	next := now.Clone()
	next.Guards["checkout"] = config.Guard{Timeout: time.Second}
	changes, err := fnd.Plan(next)
	fmt.Println(changes, err)
	fmt.Println(fnd.Apply(ctx, next))
	// Output:
	// [guards.checkout changed: timeout default → 1s; the next call sees the new settings] <nil>
	// 2 <nil>
}

func ExampleFoundation_AddBreaker() {
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fnd.Close(ctx) }()

	fmt.Println(fnd.AddBreaker(ctx, "search", config.Breaker{}))
	fmt.Println(fnd.AddGuard(ctx, "search", config.Guard{Breaker: "search"}))
	fmt.Println(errors.Is(fnd.RemoveBreaker(ctx, "search"), fault.Conflict))
	fmt.Println(fnd.BreakerNames(), fnd.GuardNames())
	// Output:
	// <nil>
	// <nil>
	// true
	// [search] [search]
}
