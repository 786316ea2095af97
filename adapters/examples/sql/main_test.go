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
	// insert: <nil>
	// insert again: true
	// total: <nil> 1999
	// no such order: sql: no rows in result set
	// the breaker is closed after a conflict and a missing row
	// delete: sql: database is closed
	// delete: sql: database is closed
	// the breaker is open and refuses: true
}
