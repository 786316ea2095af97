package historytest

import (
	"testing"

	"github.com/elixirscope/foundation/config"
)

// Harness is one storage that a test has for itself.
type Harness struct {
	// Open opens a history on the storage: on an empty one at first, and on what was
	// closed before where the test calls it again. Required.
	Open func(t *testing.T) config.History
	// Durable says that what was added is there when the storage is opened again.
	Durable bool
}

// Run tests a history; fresh returns a harness with a storage of its own for each
// test.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"records are kept as they are", testKept},
		{"pages", testPages},
		{"revisions", testRevision},
		{"old records go by outcome", testBound},
		{"concurrent adds", testConcurrent},
		{"a context that is done", testContext},
		{"close", testClosed},
		{"open again", testReopened},
		{"nothing is shared", testAliases},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Helper()
			part.test(t, fresh(t))
		})
	}
}

func (h Harness) open(t *testing.T) config.History {
	t.Helper()
	history := h.Open(t)
	t.Cleanup(func() {
		if err := history.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return history
}
