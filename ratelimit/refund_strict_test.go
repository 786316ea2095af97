package ratelimit_test

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// The last call is given back whole, as far as it still counts, although another was
// given back before it came. The second rule fits no word: its table asks under a lock.
func TestTheLastCallIsGivenBackWholeAfterAnother(t *testing.T) {
	for _, cfg := range []ratelimit.Config{
		{Limit: 1, Per: time.Second, Burst: 4},
		{Limit: 2_000_003, Per: 2_000_003 * time.Second, Burst: 4},
		{Limit: 2_000_003, Per: time.Hour, Burst: 4},
	} {
		l, unit := must(t, cfg), cfg.Per/time.Duration(cfg.Limit)
		first := l.AllowAt(0, user, 1)
		l.AllowAt(0, user, 1)
		first.RefundAt(0)
		last := l.AllowAt(0, user, 1)
		now := clock.Instant(0).Add(unit * 6 / 5)
		last.RefundAt(now)
		if d := l.PeekAt(now, user, 1); d.Remaining != 4 {
			t.Errorf("%d in %v: %d remain of 4", cfg.Limit, cfg.Per, d.Remaining)
		}
	}
}
