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
	// ann: charged 19.99
	// ann: charged 19.99
	// ann: refused: rate_limited, try again in 30s
	// ben: charged 19.99
	// cat: failed: bank: unreachable
	// dan: failed: bank: unreachable
	// eve: refused: circuit_open, try again in 30s
}
