package main

import (
	"context"
	"os"
)

// The example is run by the tests: what it says is true.
func Example_run() {
	if err := run(context.Background(), os.Stdout); err != nil {
		panic(err)
	}
	// Output:
	// good: SERVING
	// good: SERVING
	// broken: Internal
	// good: SERVING
	// good: ResourceExhausted, try again in 15s
	// good: ResourceExhausted, try again in 15s
}
