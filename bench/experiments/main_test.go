package experiments_test

import (
	"os"
	"runtime/debug"
	"testing"
)

// The runs make millions of short-lived calls and little else. Collecting their garbage less
// often makes them faster, and keeps the memory manager of this process, which looks at the
// real share of the processors that collecting takes, out of the results.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}
