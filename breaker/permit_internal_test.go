package breaker

import (
	"testing"

	"github.com/elixirscope/foundation/internal/clock"
)

// A success that found a run of failures, which another success ended a moment
// later, must not look for buckets that its rules do not have.
func TestASuccessWithoutBucketsIsNotBucketed(t *testing.T) {
	b, err := New("small", Config{ConsecutiveFailures: 2})
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Allow(); p.bucketed(clock.Now(), Success) {
		t.Error("counted in buckets that are not there")
	}
}
