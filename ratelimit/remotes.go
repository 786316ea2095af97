package ratelimit

import (
	"context"
	"errors"

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
	lim    *Limiter // whose remote it is
}

func (h *held) refund(now, at clock.Instant, cost int64) {
	for ; h != nil; h = h.next {
		if h.remote == nil {
			h.local.refund(now, at, cost)
			continue
		}
		h.ask.Now = now
		h.remote.Refund(h.ask, h.given)
		if h.lim.watching.count.Load() > 0 {
			h.lim.watching.tell(h.ask.Key.Hash(h.lim.setup.Load().config.Parts))
		}
	}
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
		d.held = &held{next: d.held, remote: s.remote, ask: ask, given: told, lim: e.lim}
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
