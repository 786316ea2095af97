package ratelimit

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
)

// Admit is [Limiter.AllowN] for a guard: it takes the instant at which
// the clock was read, puts the decision into d, which must be zero, and keeps neither
// pointer. Instants may arrive out of order. The error of a refusal that did not wait
// is left to [Decision.Err], which collects evidence that not every caller wants.
//
// Under a leaky bucket, a call waits for its turn in the order of [Limiter.Wait], for
// at most patience (0: without such a bound) and as long as ctx lasts; a call whose turn
// would come later is refused at once. Nothing waits if patience is negative, under the
// other algorithms, or if a parent refuses. A call that waited returns the error of the
// decision, or [fault.Canceled] if ctx ended meanwhile.
func (l *Limiter) Admit(ctx context.Context, d *Decision, now clock.Instant, key *Key, cost int64, patience time.Duration) (waited bool, err error) {
	c := call{now: now, cost: cost}
	if !l.quick(d, key, now, cost) {
		c.ahead = l.tryNow(ctx, d, key, c)
	} else if d.OK && !l.requestAllowed.Active() { // all that report would do
		l.allowed.Add(1)
		return false, nil
	}
	if d.OK || patience < 0 || d.kind != exhausted || d.by.lim != l || d.by.rule.algorithm != LeakyBucket {
		l.report(ctx, d, key)
		return false, nil
	}
	c.patience = patience
	return true, l.await(ctx, d, key, c)
}

// tryNow decides without waiting, behind those who wait already, and returns what
// these cost.
func (l *Limiter) tryNow(ctx context.Context, d *Decision, k *Key, c call) (ahead int64) {
	if l.waiting.count.Load() > 0 && c.cost > 0 {
		s := l.setup.Load()
		h := k.Hash(s.config.Parts)
		if ahead = l.waiting.ahead(h); ahead > 0 && s.config.Mode == mode.Enforce && !s.of(h).exempt {
			c.peek = true
			l.decide(ctx, d, k, c)
			d.refuse(exhausted, max(l.turn(d, k, c, ahead), d.RetryAfter, 1))
			return ahead
		}
	}
	l.decide(ctx, d, k, c)
	return 0
}
