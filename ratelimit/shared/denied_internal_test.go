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
	denied := func(i uint64, retry time.Duration) {
		h := key.Hash{Hi: i<<1 | 1, Lo: i * 0x9e3779b97f4a7c15}
		c.denials.put(&denial{hash: h, rule: r.salt, counting: countingOf(config), cost: 1, retryAfter: retry})
	}
	found := func(i uint64, now clock.Instant) bool {
		var d ratelimit.Decision
		h := key.Hash{Hi: i<<1 | 1, Lo: i * 0x9e3779b97f4a7c15}
		return c.denials.find(r, h, &ratelimit.RemoteCall{Config: config, Cost: 1, Now: now}, &d)
	}
	denied(0, time.Second)
	for i := range uint64(300_000) {
		denied(i+1, time.Duration(i%500+1)*time.Millisecond)
	}
	kept := 0
	for i := range uint64(300_001) {
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
