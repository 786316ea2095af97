package shared

import (
	"context"
	"sync/atomic"

	"github.com/elixirscope/foundation/internal/stripe"
	"github.com/elixirscope/foundation/ratelimit"
)

// rule is the Remote of one limiter.
type rule struct {
	c      *Counters
	name   string
	policy atomic.Pointer[Policy]
	local  fallback

	decided [ratelimit.Exempt + 1]stripe.Counter // by source
	refused stripe.Counter                       // because the policy says so
}

func newRule(c *Counters, name string) *rule {
	r := &rule{c: c, name: name}
	r.local = fallback{name: name, instances: c.instances.Load(), shares: make(map[ratelimit.Config]*share)}
	return r
}

// Take implements [ratelimit.Remote].
func (r *rule) Take(ctx context.Context, ask ratelimit.RemoteCall) (ratelimit.Decision, error) {
	d, err := r.take(ctx, &ask)
	if err == nil {
		r.decided[d.Source].Add(1)
	}
	return d, err
}

func (r *rule) take(ctx context.Context, ask *ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	generation, up := r.c.link.enter()
	if !up {
		return r.fallBack(ctx, ask, nil)
	}
	err = r.c.call(ctx, r.name, generation, func(ctx context.Context) error {
		d, err = r.c.store.Take(ctx, r.as(ask), ask.Key, ask.Cost)
		return err
	})
	if err != nil {
		return r.afterError(ctx, ask, err)
	}
	d.Source = ratelimit.Shared
	r.local.mirror(ask, d.Taken)
	return d, nil
}

// as returns the rule as the store knows it.
func (r *rule) as(ask *ratelimit.RemoteCall) Rule { return Rule{Name: r.name, Config: *ask.Config} }

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
		if cause == nil {
			cause = r.c.link.lastCause()
		}
		return ratelimit.Decision{}, unavailable(r.name, cause)
	}
	d, err := r.local.take(ctx, ask)
	if policy == Allow && err == nil && !d.OK {
		d.OK, d.RetryAfter = true, 0
	}
	return d, err
}

// Peek implements [ratelimit.Remote].
func (r *rule) Peek(ctx context.Context, ask ratelimit.RemoteCall) (d ratelimit.Decision, err error) {
	if generation, up := r.c.link.enter(); up {
		err = r.c.call(ctx, r.name, generation, func(ctx context.Context) error {
			d, err = r.c.store.Peek(ctx, r.as(&ask), ask.Key, ask.Cost)
			return err
		})
		if err == nil || ctx.Err() != nil {
			d.Source = ratelimit.Shared
			return d, err
		}
	}
	return r.peekLocally(&ask)
}

func (r *rule) peekLocally(ask *ratelimit.RemoteCall) (ratelimit.Decision, error) {
	policy := r.policy.Load().OnError
	if policy == Deny {
		return ratelimit.Decision{}, unavailable(r.name, r.c.link.lastCause())
	}
	d, err := r.local.peek(ask)
	if policy == Allow && err == nil && !d.OK {
		d.OK, d.RetryAfter = true, 0
	}
	return d, err
}

// Refund implements [ratelimit.Remote].
func (r *rule) Refund(ask ratelimit.RemoteCall, d ratelimit.Decision) {
	if d.Taken <= 0 {
		return
	}
	if d.Source == ratelimit.Fallback {
		d.RefundAt(ask.Now)
		return
	}
	r.c.refunds.add(refund{rule: r.as(&ask), key: ask.Key, decision: d})
}

// Reset implements [ratelimit.Remote].
func (r *rule) Reset(ctx context.Context, ask ratelimit.RemoteCall) error {
	r.local.reset(&ask)
	generation, up := r.c.link.enter()
	if !up {
		return unavailable(r.name, r.c.link.lastCause())
	}
	return r.c.call(ctx, r.name, generation, func(ctx context.Context) error {
		return r.c.store.Reset(ctx, r.as(&ask), ask.Key)
	})
}

var _ ratelimit.Remote = (*rule)(nil)
