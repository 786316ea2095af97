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
	if !l.quick(d, key, now, cost) {
		l.tryNow(d, key, call{now: now, cost: cost})
	} else if d.OK && !l.requestAllowed.Active() { // all that report would do
		l.allowed.Add(1)
		return false, nil
	}
	if d.OK || patience < 0 || d.kind != exhausted || d.by != l || l.setup.Load().engine.rule.algorithm != LeakyBucket {
		l.report(ctx, d, key)
		return false, nil
	}
	return true, l.await(ctx, d, key, cost, patience)
}

// tryNow decides without waiting, behind those who wait already.
func (l *Limiter) tryNow(d *Decision, k *Key, c call) {
	if l.waiting.count.Load() > 0 && c.cost > 0 {
		s := l.setup.Load()
		if ahead := l.waiting.ahead(k.Hash(s.config.Parts)); ahead > 0 && s.config.Mode == mode.Enforce {
			c.peek = true
			l.decide(d, k, c)
			d.refuse(exhausted, max(l.turn(k, c.now, ahead, c.cost), d.RetryAfter, 1))
			return
		}
	}
	l.decide(d, k, c)
}
