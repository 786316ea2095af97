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
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/registry"
)

func ExampleOpen() {
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{Config: &config.Config{
		Breakers: map[string]config.Breaker{"payments": {Config: breaker.Config{FailureThreshold: 1}}},
		Guards:   map[string]config.Guard{"checkout": {Breaker: "payments", Config: guard.Config{Timeout: 2 * time.Second}}},
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

func ExampleFoundation_Config() {
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{Config: &config.Config{Guards: map[string]config.Guard{"checkout": {}}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = fnd.Close(ctx) }()

	applied, err := fnd.Config().Edit(ctx, func(c *config.Config) error {
		c.Breakers["search"] = config.Breaker{}
		c.Guards["search"] = config.Guard{Breaker: "search", Config: guard.Config{Timeout: time.Second}}
		return nil
	}, config.By{Actor: "example", Reason: "search is new"})
	fmt.Println(applied.Revision, err)
	for _, change := range applied.Changes {
		fmt.Println(change)
	}
	// Output:
	// 2 <nil>
	// breakers.search added; starts closed
	// guards.search added; answers from now on
}

func ExampleFoundation_Config_reload() {
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
	_, err = fnd.Config().Reload(ctx, config.By{})
	fmt.Print(config.Render(err))
	say("guards: { checkout: { timeout: 3s } }")
	applied, err := fnd.Config().Reload(ctx, config.By{})
	fmt.Println(applied.Changes, err)
	// Output:
	// foundation.yaml:2:32: guards.checkout.timeout 3: 3 of what? write 3s, or another of the units ns, us, ms, s, m, h, d
	//     guards: { checkout: { timeout: 3 } }
	//                                    ^
	// [guards.checkout changed: timeout 2s → 3s; the next call sees the new settings] <nil>
}

func ExamplePoolOf() {
	// A kind of worker of one's own: it is named in the configuration, and its
	// options are checked as strictly as everything else.
	type options struct {
		Greeting string `yaml:"greeting"`
	}
	kinds := map[string]pool.Kind{"greeter": pool.KindOf(func(o options) (pool.Factory[string], error) {
		return pool.Factory[string]{New: func(context.Context) (string, error) { return o.Greeting, nil }}, nil
	})}
	cfg, err := config.Parse("foundation.yaml", []byte(`version: 1
pools: { hall: { worker: greeter, options: { greeting: hello }, size: 2 } }
`), config.ParseOptions{Registry: config.Registry{Kinds: kinds}})
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

// greeter is a service of one's own.
type greeter struct{ served chan string }

func (w *greeter) Serve(ctx context.Context) error {
	for {
		select {
		case name := <-w.served:
			fmt.Println("hello,", name)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func ExampleFoundation_Supervise() {
	ctx := context.Background()
	fnd, err := foundation.Open(ctx, foundation.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := fnd.Supervise("greeter", &greeter{served: make(chan string)}); err != nil {
		fmt.Println(err)
		return
	}
	// Elsewhere in the program:
	w, err := registry.Lookup[*greeter](fnd.Registry(), "services", "greeter")
	if err != nil {
		fmt.Println(err)
		return
	}
	w.served <- "Ada"
	fmt.Println(fnd.Close(ctx))
	// Output:
	// hello, Ada
	// <nil>
}
