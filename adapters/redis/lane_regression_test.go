package redis_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// scriptsOf is how often a server has run a script.
func scriptsOf(t *testing.T, s *redistest.Server) (n int) {
	t.Helper()
	for line := range strings.Lines(redistest.Run(t, s, "INFO", "commandstats")) {
		rest, ok := strings.CutPrefix(line, "cmdstat_evalsha:calls=")
		for ; ok && rest[0] >= '0' && rest[0] <= '9'; rest = rest[1:] {
			n = 10*n + int(rest[0]-'0')
		}
	}
	return n
}

// A call of a long log takes as long as hundreds of others: as many in one script as there are of
// others kept the server from everybody for half a second.
func TestRegression_LongLogsGoInSmallBatches(t *testing.T) {
	const calls = 64
	long := shared.Rule{Name: "long", Config: ratelimit.Config{Algorithm: ratelimit.SlidingLog, Limit: 10_000, Per: time.Hour}}
	takes := make([]shared.Take, calls)
	for i := range takes {
		takes[i] = shared.Take{Rule: long, Key: user, Cost: 1}
	}
	for name, ask := range map[string]func(*testing.T, shared.Store){
		"one by one": func(t *testing.T, s shared.Store) {
			var group sync.WaitGroup
			for _, take := range takes {
				group.Go(func() {
					if _, err := s.Take(t.Context(), take.Rule, take.Key, take.Cost); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		},
		"all at once": func(t *testing.T, s shared.Store) {
			if _, err := s.TakeAll(t.Context(), takes); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := single(t)
			s := fresh(t, server.URL())
			ask(t, s)
			if got := scriptsOf(t, server); got < calls {
				t.Errorf("%d calls of a log of 10,000 went in %d scripts", calls, got)
			}
			if d, err := s.Peek(t.Context(), long, user, 1); err != nil || d.Remaining != 10_000-calls {
				t.Errorf("%+v, %v", d, err)
			}
		})
	}
}
