package shared

import (
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/ratelimit"
)

func TestDenialsAreBoundedAndKeepWhatLastsLongest(t *testing.T) {
	c := New(nil, Options{})
	defer func() { _ = c.Close(t.Context()) }()
	r := newRule(c, "rule")
	config := &ratelimit.Config{Limit: 1, Per: time.Second, Burst: 1}
	keys := make([]key.Hash, 150_001)
	for i := range keys {
		k := ratelimit.KeyOf(i)
		keys[i] = k.Hash(key.All)
	}
	denied := func(i int, retry time.Duration) {
		h := keys[i]
		c.denials.put(&denial{hash: h, rule: r.salt, counting: countingOf(config), cost: 1, retryAfter: retry})
	}
	found := func(i int, now clock.Instant) bool {
		var d ratelimit.Decision
		return c.denials.find(r, keys[i], &ratelimit.RemoteCall{Config: config, Cost: 1, Now: now}, &d)
	}
	denied(0, time.Second)
	for i := range 150_000 {
		denied(i+1, time.Duration(i%500+1)*time.Millisecond)
	}
	kept := 0
	for i := range keys {
		if found(i, 0) {
			kept++
		}
	}
	if kept > mostDenials || kept < mostDenials/2 {
		t.Errorf("%d refusals are kept, there are %d places", kept, mostDenials)
	}
	if !found(0, clock.Instant(time.Second-1)) || found(0, clock.Instant(time.Second)) {
		t.Error("one that lasts longer than all others gave its place up, or lasts too long")
	}
}
