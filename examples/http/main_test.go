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
	// /hello 200 OK
	// /hello 200 OK
	// /hello 429 Too Many Requests, try again in 30s
	// /broken 500 Internal Server Error
	// /broken 500 Internal Server Error
	// /hello not sent: circuit_open, try again in 30s
}
