package guardtest_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/guard/guardtest"
)

// greet is code under test that uses a guard.
func greet(ctx context.Context, g *guard.Guard) string {
	name, err := guard.Do(ctx, g, guard.Call{}, func(context.Context) (string, error) { return "Ada", nil })
	if errors.Is(err, fault.RateLimited) {
		return "please wait"
	}
	return "hello " + name
}

func ExampleAdmit() {
	g := guardtest.Admit()
	fmt.Println(greet(context.Background(), g), g.Status().Results[guard.Succeeded])
	// Output: hello Ada 1
}

func ExampleRefuse() {
	fmt.Println(greet(context.Background(), guardtest.Refuse(fault.RateLimited)))
	// Output: please wait
}

func ExampleLend() {
	type conn struct{ answer int }
	db, err := guard.Bind[*conn](guardtest.Lend(&conn{42}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(guard.DoWith(context.Background(), db, guard.Call{}, func(_ context.Context, c *conn) (int, error) { return c.answer, nil }))
	// Output: 42 <nil>
}
