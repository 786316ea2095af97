package breaker

import (
	"testing"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/outcome"
)

// A success that found a run of failures, which another success ended a moment
// later, must not look for buckets that its rules do not have.
func TestASuccessWithoutBucketsIsNotBucketed(t *testing.T) {
	b, err := New("small", Config{ConsecutiveFailures: 2})
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Allow(); p.bucketed(clock.Now(), outcome.Success, false) {
		t.Error("counted in buckets that are not there")
	}
}

// Two reconfigurations of a group may reach a member in the wrong order, also when
// the newer one is what the member has already.
func TestAnOlderRevisionOfTheGroupArrivesLate(t *testing.T) {
	g, err := NewGroup("small", Config{FailureThreshold: 1}, 0)
	if err != nil {
		t.Fatal(err)
	}
	b, first := g.For("a"), g.Status().Config
	second := first
	second.FailureThreshold = 2
	b.reconfigure(first, 3)
	b.reconfigure(second, 2)
	if got := b.Status().Config; !got.same(first) {
		t.Errorf("revision 2 replaced revision 3: %+v", got)
	}
}
