package ratelimit

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
)

// held is what a decision took and has no room for itself: from a remote, or from
// a rule beyond the second of a chain. It lives on the heap, so that calls that need it
// pay for it and others do not.
type held struct {
	next   *held
	local  receipt // unless remote is set
	remote Remote
	ask    RemoteCall
	given  Decision
	lim    atomic.Pointer[Limiter] // whose remote it is
	common bool                    // of many decisions: see Decision.WithReceipt
}

func (h *held) refund(now, at clock.Instant, cost int64) {
	for ; h != nil; h = h.next {
		if h.remote == nil {
			h.local.refund(now, at, cost)
			continue
		}
		ask, given := h.ask, h.given
		if ask.Now = now; h.common {
			ask.Cost, given.Taken = cost, cost
		}
		h.remote.Refund(ask, given)
		if l := h.lim.Load(); l != nil && l.watching.count.Load() > 0 {
			l.watching.tell(ask.Key.Hash(l.setup.Load().config.Parts))
		}
	}
}

// WithReceipt returns d, a decision that r makes about ask, with what it takes to give it
// back. A limiter makes that for every decision that has none. A [Remote] that gives out
// many at a time, alike but for their costs, makes it once and returns copies of d.
func (d Decision) WithReceipt(r Remote, ask RemoteCall) Decision {
	d.held = &held{remote: r, ask: ask, given: Decision{OK: true, Source: d.Source, Mark: d.Mark}, common: true}
	return d
}

// hold keeps what it takes to give back what a remote told.
func (d *Decision) hold(s *setup, l *Limiter, ask *RemoteCall, told *Decision) {
	h := told.held
	if d.held != nil || h == nil || !h.common {
		h = &held{next: d.held, remote: s.remote, ask: *ask, given: *told}
	}
	if h.lim.Load() == nil {
		h.lim.Store(l)
	}
	d.held = h
}

// remoteCall is what a remote is asked about a call of a key that is counted so.
func (s *setup) remoteCall(counted *class, k *Key, c call) RemoteCall {
	return RemoteCall{Rule: s.engine.lim.name, Config: &counted.config, Key: k.First(s.config.Parts), Cost: c.cost, Now: c.now}
}

// askRemote is [Limiter.ask] for a limiter that counts elsewhere. No turn lies in the
// future there: a call is admitted now or not at all.
func (s *setup) askRemote(ctx context.Context, counted *class, k *Key, c call, d *Decision) answer {
	e := counted.engine
	a := answer{kind: costKind(e.rule, c.cost), limit: e.rule.capacity, by: e, enforce: s.config.Mode == mode.Enforce}
	if a.kind != admitted {
		s.lookRemote(ctx, counted, k, c, &a)
		return a
	}
	ask := s.remoteCall(counted, k, c)
	told, err := s.exchange(ctx, ask, c.peek)
	if err != nil {
		a.err = unreachable(ctx, ask.Rule, err)
		a.kind, a.retry = undecided, a.err.RetryAfter()
		return a
	}
	a.tell(&told)
	if a.ok && !c.peek && told.Taken > 0 {
		d.Taken = c.cost
		d.hold(s, e.lim, &ask, &told)
	}
	if a.kind = kindOf(a.verdict); a.ok {
		a.retry = 0
	}
	return a
}

func (s *setup) exchange(ctx context.Context, ask RemoteCall, peek bool) (Decision, error) {
	if peek {
		return s.remote.Peek(ctx, ask)
	}
	return s.remote.Take(ctx, ask)
}

// lookRemote fills in the numbers as they are now of a call that the rule never admits,
// which needs nobody to decide it.
func (s *setup) lookRemote(ctx context.Context, counted *class, k *Key, c call, a *answer) {
	if counted.engine.rule.capacity == 0 {
		return
	}
	c.cost = 0
	if told, err := s.remote.Peek(ctx, s.remoteCall(counted, k, c)); err == nil {
		a.tell(&told)
	}
	a.ok, a.retry = false, 0
}

// tell makes the numbers of an answer those that a remote has told.
func (a *answer) tell(d *Decision) {
	a.verdict = verdict{ok: d.OK, remaining: d.Remaining, retry: d.RetryAfter, reset: d.ResetAfter}
	a.limit, a.source = d.Limit, d.Source
}

// unreachable returns the error of a remote as one that callers can act upon.
func unreachable(ctx context.Context, rule string, err error) *fault.Error {
	if told, ok := errors.AsType[*fault.Error](err); ok && told != nil {
		return told
	}
	spec := fault.Spec{
		Code: fault.Unavailable, Component: component, Name: rule,
		Message: "the remote that counts the calls of this rule could not be asked", Cause: err,
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		spec.Code, spec.Message = fault.Canceled, "gave up while the remote that counts the calls of this rule was asked"
	}
	return fault.New(spec)
}
