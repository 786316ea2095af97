package foundation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
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

func ExampleFoundation_Reload() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "foundation.yaml")
	say := func(text string) { _ = os.WriteFile(file, []byte("version: 1\n"+text), 0o600) }

	ctx := context.Background()
	say("guards: { checkout: { timeout: 2s } }")
	fnd, err := foundation.Open(ctx, foundation.Options{ConfigFile: file})
	if err != nil {
		fmt.Print(config.Render(err))
		return
	}
	defer func() { _ = fnd.Close(ctx) }()

	say("guards: { checkout: { timeout: 3 } }")
	fmt.Print(config.Render(fnd.Reload(ctx)))
	say("guards: { checkout: { timeout: 3s } }")
	fmt.Println(fnd.Reload(ctx))
	// Output:
	// foundation.yaml:2:32: guards.checkout.timeout 3: 3 of what? write 3s, or another of the units ns, us, ms, s, m, h, d
	//     guards: { checkout: { timeout: 3 } }
	//                                    ^
	// <nil>
}

func ExamplePoolOf() {
	// A kind of worker of one's own: it is named in the configuration, and its
	// options are checked as strictly as everything else.
	type options struct {
		Greeting string `yaml:"greeting"`
	}
	kinds := map[string]pool.Kind{"greeter": pool.KindOf(func(o options) (pool.Factory[string], error) {
		return pool.Funcs[string]{Make: func(context.Context) (string, error) { return o.Greeting, nil }}, nil
	})}
	cfg, err := config.Parse("foundation.yaml", []byte(`version: 1
pools: { hall: { worker: greeter, options: { greeting: hello }, size: 2 } }
`), config.ParseOptions{Kinds: kinds})
	if err != nil {
		fmt.Print(config.Render(err))
		return
	}
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{Config: cfg, Kinds: kinds})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fnd.Close(ctx) }()

	hall, err := foundation.PoolOf[string](fnd, "hall")
	if err != nil {
		fmt.Println(err)
		return
	}
	err = hall.With(ctx, func(_ context.Context, greeter string) error {
		fmt.Println(greeter)
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
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
