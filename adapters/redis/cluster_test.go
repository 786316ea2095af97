package redis_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// Three primaries with a replica each: the keys of a rule are on all of them, and when
// one primary has gone its replica knows what was taken.
func TestAClusterOfThreeAndThree(t *testing.T) {
	if !testkit.Proving() {
		return // takes half a minute; make prove
	}
	nodes := redistest.Cluster(t, suite, 3, 1)
	s := fresh(t, "redis+cluster://"+nodes[0].Addr()+"?addr="+nodes[1].Addr())
	if server, warnings, err := s.Inspect(t.Context()); err != nil || len(warnings) > 0 || !strings.HasSuffix(server, ", cluster") {
		t.Error(server, warnings, err)
	}
	const keys = 200
	var takes []shared.Take
	for i := range keys {
		takes = append(takes, shared.Take{Rule: hourly(10), Key: ratelimit.KeyOf(i), Cost: 4})
	}
	if _, err := s.TakeAll(t.Context(), takes); err != nil {
		t.Fatal(err)
	}
	for _, primary := range nodes[:3] {
		if n := redistest.Run(t, primary, "DBSIZE"); len(n) < 2 {
			t.Errorf("a primary has %s of %d keys", n, keys)
		}
		if got := redistest.Run(t, primary, "WAIT", "1", "10000"); got != "1" {
			t.Errorf("%s replicas have caught up", got)
		}
	}
	nodes[0].Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for i := range keys {
		for {
			d, err := s.Take(ctx, hourly(10), ratelimit.KeyOf(i), 1)
			if err == nil {
				if d.Remaining > 5 {
					t.Errorf("key %d has %d left of 10, of which 4 were taken", i, d.Remaining)
				}
				break
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				t.Fatal(err)
			}
		}
	}
}
