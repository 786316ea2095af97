package ratelimit

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/mode"
)

// call is what a caller asks for.
type call struct {
	now      clock.Instant
	cost     int64
	patience time.Duration
	peek     bool
	ahead    int64 // what those cost whom it was last refused for
}

// quick is decide for the case that nearly every call is: a known key of an
// enforced rule without a parent, for which nobody waits. It saves a third of the
// time, which is spent on moving numbers between the layers below. It reports
// false, and has done nothing, in every other case.
func (l *Limiter) quick(d *Decision, k *Key, now clock.Instant, cost int64) bool {
	s := l.setup.Load()
	e := s.engine
	if !s.quick || cost < 0 || l.waiting.count.Load() > 0 {
		return false
	}
	q := question{hash: k.Hash(s.config.Parts), now: now, cost: cost}
	if s.overrides != nil {
		if e = s.of(q.hash).quick(); e == nil {
			return false
		}
	}
	var v verdict
	if cost > e.rule.capacity || !e.words.ask(e, &q, &v) {
		return false
	}
	d.OK, d.Limit, d.Remaining, d.RetryAfter, d.ResetAfter = v.ok, e.rule.capacity, v.remaining, v.retry, v.reset
	d.cost, d.at, d.by = cost, now, e
	d.first[0].hash = q.hash
	if !v.ok {
		d.kind = exhausted
		return true
	}
	if cost > 0 {
		d.Taken, d.first[0].engine, d.first[0].mark = cost, e, v.mark
	}
	return true
}

// decide asks the rule and its parents, child first. If one refuses, what those
// before it gave is given back.
func (l *Limiter) decide(ctx context.Context, d *Decision, k *Key, c call) {
	d.OK, d.cost, d.at, d.Remaining = true, c.cost, c.now, maxInt64
	depth := 0
	for level := l; level != nil; depth++ {
		s := level.setup.Load()
		if s.config.Mode != mode.Off && !level.consult(ctx, d, k, c, depth) {
			if d.kind != undecided {
				d.later(ctx, s.parent, k, c)
			}
			return
		}
		level = s.parent
	}
	if d.by == nil { // every rule is off, or lets the key pass
		d.by = l.setup.Load().engine
		d.Limit = d.by.rule.capacity
		d.Remaining = d.Limit
	}
}

// answer is what one rule says about a call.
type answer struct {
	verdict
	kind    refusal
	source  Source
	limit   int64
	by      *engine
	err     *fault.Error
	enforce bool
}

// consult asks one rule and reports whether the call may go on.
func (l *Limiter) consult(ctx context.Context, d *Decision, k *Key, c call, depth int) bool {
	a := l.ask(ctx, k, c, d, depth)
	if a.source == Exempt && d.by == nil {
		d.Source = Exempt
	}
	if depth > 0 && !c.peek {
		l.count(a.kind, a.enforce, k, key.Hash{}, c.now)
	}
	switch {
	case a.source == Exempt:
	case a.kind == admitted:
		d.wait = max(d.wait, a.retry) // not 0 only for a reservation
		if d.kind == admitted {
			if a.remaining <= d.Remaining {
				d.show(&a) // the rule that is nearest to its end
			}
			d.RetryAfter = d.wait
		}
	case a.enforce:
		d.show(&a)
		d.OK, d.kind = false, a.kind
		d.RefundAt(c.now)
	case d.kind == admitted: // shadow: the first rule that would refuse
		d.show(&a)
		d.kind = a.kind
	}
	return d.OK
}

// show makes the numbers of a decision those of one rule.
func (d *Decision) show(a *answer) {
	d.by, d.Source, d.err = a.by, a.source, a.err
	d.Limit, d.Remaining, d.RetryAfter, d.ResetAfter = a.limit, a.remaining, a.retry, a.reset
}

// ask puts the question to the newest engine, or to the remote, and keeps the receipt.
func (l *Limiter) ask(ctx context.Context, k *Key, c call, d *Decision, depth int) answer {
	for s := l.setup.Load(); ; s = l.newest() {
		q := question{hash: k.Hash(s.config.Parts), now: c.now, cost: c.cost, patience: int64(c.patience)}
		counted := s.of(q.hash)
		e := counted.engine
		switch {
		case counted.exempt:
			return answer{source: Exempt}
		case s.remote != nil:
			return s.askRemote(ctx, counted, k, c, d)
		case s.config.Mode != mode.Enforce:
			q.patience = 0 // shadow mode refuses a turn in the future, and delays nobody
		}
		v, kind, ok := e.answer(&q, c.peek)
		if !ok {
			continue
		}
		if kind == admitted && !c.peek && c.cost > 0 {
			d.keep(depth, receipt{e, q.hash, v.mark})
		}
		return answer{verdict: v, kind: kind, limit: e.rule.capacity, by: e, enforce: s.config.Mode == mode.Enforce}
	}
}

// answer is ask for every cost, also for those that no rule admits.
func (e *engine) answer(q *question, peek bool) (v verdict, kind refusal, ok bool) {
	kind = costKind(e.rule, q.cost)
	if kind != admitted { // the numbers as they are now
		if e.rule.capacity == 0 {
			return v, kind, true
		}
		q.cost = 0
		v, ok = e.peek(q)
		v.retry = 0
		return v, kind, ok
	}
	if peek {
		v, ok = e.peek(q)
	} else {
		v, ok = e.ask(q)
	}
	return v, kindOf(v), ok
}

// costKind says why a cost can never be admitted, if so.
func costKind(r *rule, cost int64) refusal {
	switch {
	case cost < 0 && r.capacity > 0:
		return negative
	case cost > r.capacity || r.capacity == 0:
		return tooLarge
	}
	return admitted
}

func kindOf(v verdict) refusal {
	if v.ok {
		return admitted
	}
	return exhausted
}

// later makes RetryAfter of a refused call hold for the parents that were not
// asked: whoever tries again then must pass them too. A parent that counts elsewhere is
// not asked: a refusal is not to cost what a call costs there.
func (d *Decision) later(ctx context.Context, parent *Limiter, k *Key, c call) {
	c.peek, c.patience = true, 0
	for d.RetryAfter > 0 && parent != nil {
		var ignored Decision
		s := parent.setup.Load()
		if s.config.Mode == mode.Enforce && s.remote == nil {
			a := parent.ask(ctx, k, c, &ignored, 0)
			if d.RetryAfter = max(d.RetryAfter, a.retry); a.kind != admitted && a.retry == 0 {
				d.RetryAfter = 0 // the parent never admits such a call
				return
			}
		}
		parent = s.parent
	}
}

// count counts a decision and remembers who was denied. The hash may be left out.
func (l *Limiter) count(kind refusal, enforced bool, k *Key, h key.Hash, now clock.Instant) {
	switch {
	case kind == admitted:
		l.allowed.Add(1)
		return
	case enforced:
		l.denied.Add(1)
	default:
		l.wouldRefuse.Add(1)
	}
	parts := l.setup.Load().config.Parts
	if h.Hi == 0 {
		h = k.Hash(parts)
	}
	l.top.note(k, parts, h, now)
}

// report counts a decision, remembers who was denied, and tells who listens.
func (l *Limiter) report(ctx context.Context, d *Decision, k *Key) {
	l.count(d.kind, !d.OK, k, d.first[0].hash, d.at)
	if d.kind != admitted && l.requestDenied.Active() {
		l.requestDenied.Emit(ctx, newDenied(l, d, k))
	}
	if d.OK && l.requestAllowed.Active() {
		l.requestAllowed.Emit(ctx, RequestAllowed{Name: l.name, Key: k.Text(), Cost: d.cost, Limit: d.Limit, Remaining: d.Remaining, WouldRefuse: d.WouldRefuse()})
	}
}
