package shared

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
)

// probeRule is what probes take from. It is a rule of its own, so that they count against
// nobody, and they take: a server that is full, or that may only be read, answers a peek.
var probeRule = Rule{Name: "foundation.probe", Config: ratelimit.Config{Limit: 1_000, Per: time.Second, Burst: 1_000}}

// probeKeys spread the probes over the parts of a server that has several.
const probeKeys = 1024

// probe asks the store, with pauses, until it answers or the counters are closed.
func (c *Counters) probe() {
	for {
		m, _, _ := c.link.present()
		if !clock.Sleep(c.life, m.probeAt.Sub(clock.Now())) {
			return
		}
		kind, err := onProbeAnswered, c.probeOnce()
		if err != nil {
			kind = onProbeFailed
		}
		c.link.report(kind, m.generation, err)
		if err == nil {
			break
		}
	}
	c.refunds.poke()
	c.work.Go(c.inspect)
	c.tell()
}

func (c *Counters) probeOnce() error {
	ctx, cancel := context.WithTimeout(c.life, c.within())
	defer cancel()
	return recovered(probeRule.Name, func() error {
		_, err := c.store.Take(ctx, probeRule, ratelimit.KeyOf("probe", rand.IntN(probeKeys)), 1)
		return err
	})
}
