package shared

import (
	"context"
	"math/rand/v2"
	"sync/atomic"

	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/internal/stripe"
	"github.com/elixirscope/foundation/ratelimit"
)

// rule is the Remote of one limiter. A call is decided by a token that was taken ahead,
// by a refusal that still holds, by the store, or without it, in this order.
type rule struct {
	c      *Counters
	name   string
	salt   uint64 // tells its denials from those of other rules
	policy atomic.Pointer[Policy]
	local  fallback
	ahead  atomic.Pointer[prefetch] // nil unless the policy prefetches

	// eras rise when what was refused for a key may be admitted now. Keys share them by their
	// hash, which costs a key that shares one a round trip.
	eras [256]atomic.Uint32

	decided [ratelimit.Exempt]stripe.Counter // by source
	refused stripe.Counter                   // because the policy says so
}

func newRule(c *Counters, name string) *rule {
	r := &rule{c: c, name: name, salt: rand.Uint64()}
	r.local = fallback{name: name, instances: c.instances.Load(), shares: make(map[ratelimit.Config]*share)}
	return r
}

// follow puts a policy in force.
func (r *rule) follow(p Policy) {
	if old := r.policy.Swap(&p); old != nil && old.Prefetch == p.Prefetch {
		return
	}
	var next *prefetch
	if p.Prefetch > 0 {
		next = &prefetch{}
	}
	if old := r.ahead.Swap(next); old != nil {
		old.revoke()
	}
}

// stop ends prefetching for good.
func (r *rule) stop() {
	if p := r.ahead.Swap(nil); p != nil {
		p.revoke()
	}
}

func (r *rule) era(h key.Hash) *atomic.Uint32 { return &r.eras[h.Lo>>32%uint64(len(r.eras))] }

// as returns the rule as the store knows it.
func (r *rule) as(ask *ratelimit.RemoteCall) Rule { return Rule{Name: r.name, Config: *ask.Config} }

// Take implements [ratelimit.Remote].
func (r *rule) Take(ctx context.Context, ask ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	h := ask.Key.Hash(key.All)
	p := r.ahead.Load()
	most := int64(0)
	if p != nil && ask.Cost > 0 {
		most = r.most(ask.Config)
	}
	switch {
	case most > 0 && p.take(h, &ask, most, &d):
	case r.c.denials.find(r, h, &ask, &d):
	default:
		if d, err = r.decide(ctx, h, &ask); err != nil {
			return d, err
		}
		if most > 0 && d.Source == ratelimit.Shared && d.OK {
			p.admitted(r, h, &ask, most)
		}
	}
	r.decided[d.Source].Add(1)
	return d, nil
}

// most returns how many tokens may be taken ahead for a key that is counted by c.
func (r *rule) most(c *ratelimit.Config) int64 {
	return most(r.policy.Load(), c, r.c.instances.Load())
}

// decide asks the store, or decides without it.
func (r *rule) decide(ctx context.Context, h key.Hash, ask *ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	generation, up := r.c.link.enter()
	if !up {
		return r.fallBack(ctx, ask, nil)
	}
	era := r.era(h).Load()
	err = r.c.call(ctx, r.name, generation, func(ctx context.Context) (err error) {
		d, err = r.c.store.Take(ctx, r.as(ask), ask.Key, ask.Cost)
		return err
	})
	if err != nil {
		return r.afterError(ctx, ask, err)
	}
	d.Source = ratelimit.Shared
	if d.OK {
		r.local.mirror(ask, &d)
	} else if d.RetryAfter > 0 {
		r.c.denials.put(&denial{
			hash: h, rule: r.salt, counting: countingOf(ask.Config), era: era, cost: ask.Cost, at: ask.Now,
			limit: d.Limit, remaining: d.Remaining, retryAfter: d.RetryAfter, resetAfter: d.ResetAfter,
		})
	}
	return d, nil
}

// afterError decides a call that the store has not decided.
func (r *rule) afterError(ctx context.Context, ask *ratelimit.RemoteCall, err error) (ratelimit.Decision, error) {
	if ctx.Err() != nil {
		return ratelimit.Decision{}, err
	}
	return r.fallBack(ctx, ask, err)
}

// fallBack decides a call without the store.
func (r *rule) fallBack(ctx context.Context, ask *ratelimit.RemoteCall, cause error) (ratelimit.Decision, error) {
	r.c.fallbacks.Add(1)
	policy := r.policy.Load().OnError
	if policy == Deny {
		r.refused.Add(1)
		return ratelimit.Decision{}, r.unavailable(cause)
	}
	d, err := r.local.take(ctx, ask)
	return allowed(policy, d, err)
}

// allowed is a decision of the fall-back under a policy.
func allowed(policy OnError, d ratelimit.Decision, err error) (ratelimit.Decision, error) {
	if policy == Allow && err == nil && !d.OK {
		d.OK, d.RetryAfter = true, 0
	}
	return d, err
}

// Peek implements [ratelimit.Remote]. What was taken ahead counts as not yet taken.
func (r *rule) Peek(ctx context.Context, ask ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	if generation, up := r.c.link.enter(); up {
		err = r.c.call(ctx, r.name, generation, func(ctx context.Context) (err error) {
			d, err = r.c.store.Peek(ctx, r.as(&ask), ask.Key, ask.Cost)
			return err
		})
		if err != nil && ctx.Err() != nil {
			return d, err
		}
		if err == nil {
			d.Source = ratelimit.Shared
			r.addHeld(&ask, &d)
			return d, nil
		}
	}
	policy := r.policy.Load().OnError
	if policy == Deny {
		return ratelimit.Decision{}, r.unavailable(err)
	}
	d, err = r.local.peek(&ask)
	return allowed(policy, d, err)
}

func (r *rule) addHeld(ask *ratelimit.RemoteCall, d *ratelimit.Decision) {
	p := r.ahead.Load()
	if p == nil {
		return
	}
	s := p.find(ask.Key.Hash(key.All))
	if s == nil {
		return
	}
	held := s.held(ask)
	d.Remaining = min(d.Remaining+held, d.Limit)
	if held >= ask.Cost && !d.OK {
		d.OK, d.RetryAfter = true, 0
	}
}

// Refund implements [ratelimit.Remote].
func (r *rule) Refund(ask ratelimit.RemoteCall, d ratelimit.Decision) {
	if d.Taken <= 0 {
		return
	}
	h := ask.Key.Hash(key.All)
	switch d.Source {
	case ratelimit.Fallback:
		r.local.refund(&ask, &d)
	case ratelimit.Prefetched:
		if p := r.ahead.Load(); p == nil || !p.giveBack(h, &d, r.most(ask.Config)) {
			r.c.refunds.dropped.Add(1)
		}
	default:
		r.c.refunds.add(refund{
			owner: r, hash: h, rule: r.as(&ask), key: ask.Key, decision: d, until: ask.Now.Add(d.ResetAfter),
		})
	}
}

// Reset implements [ratelimit.Remote].
//
// Tokens that were taken before the store forgets the key are worth nothing after it. So
// they are voided before, and once more after it for those that were on their way.
func (r *rule) Reset(ctx context.Context, ask ratelimit.RemoteCall) error {
	h := ask.Key.Hash(key.All)
	r.local.reset(&ask)
	r.void(h)
	defer r.void(h)
	generation, up := r.c.link.enter()
	if !up {
		return r.unreachable(nil)
	}
	return r.c.call(ctx, r.name, generation, func(ctx context.Context) error {
		return r.c.store.Reset(ctx, r.as(&ask), ask.Key)
	})
}

// void ends what is known of a key: its refusals and its tokens.
func (r *rule) void(h key.Hash) {
	r.era(h).Add(1)
	if p := r.ahead.Load(); p != nil {
		p.void(h)
	}
}

var _ ratelimit.Remote = (*rule)(nil)
