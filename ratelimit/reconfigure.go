package ratelimit

import "github.com/elixirscope/foundation/clock"

// Reconfigure changes the rule. What keys have taken stays taken and runs off at
// the new rate from now on; only a change of Parts begins anew, because the keys
// themselves become others. An equal configuration changes nothing. A faulty one
// is refused with all its faults and leaves everything as it is.
//
// It returns when every key has moved to the new rule, which takes some tenths
// of a second for a million keys; calls go on meanwhile and see the new rule as
// soon as Reconfigure has begun.
func (l *Limiter) Reconfigure(cfg Config) error { return l.ReconfigureAt(clock.Now(), cfg) }

// ReconfigureAt is [Limiter.Reconfigure] for a caller that has a clock of its own and
// calls [Limiter.Admit] by it.
func (l *Limiter) ReconfigureAt(now clock.Instant, cfg Config) error {
	ps := cfg.problems()
	if err := ps.Err(component, l.name); err != nil {
		return err
	}
	l.change.Lock()
	defer l.change.Unlock()
	old := l.setup.Load()
	if old.given == cfg {
		return nil
	}
	next := *old
	next.given, next.config, next.revision = cfg, cfg.withDefaults(), old.revision+1
	r := newRule(next.config, old.engine.rule)
	if r.same(old.engine.rule) {
		r = old.engine.rule // receipts stay good
	}
	switch {
	case next.config.Parts != old.config.Parts:
		fresh := *r // a rule of its own: receipts of the old keys are void
		next.engine = newEngine(l, &fresh, int64(next.config.MaxKeys), now)
	case r != old.engine.rule || next.config.MaxKeys != old.config.MaxKeys:
		l.replaceEngine(now, &next, r, old.engine)
		return nil
	}
	l.publish(&next)
	return nil
}

// replaceEngine publishes next with an engine that takes over the keys of old.
// REQUIRES: l.change is held.
func (l *Limiter) replaceEngine(now clock.Instant, next *setup, r *rule, old *engine) {
	e := newEngine(l, r, int64(next.config.MaxKeys), now)
	e.keys = old.keys
	if r == old.rule { // receipts stay good
		e.refunds.sums.Store(old.refunds.opened())
	}
	e.prev.Store(old)
	next.engine = e
	l.swap.Lock()
	old.seal()
	e.overflow.inherit(e, old)
	l.publish(next)
	l.swap.Unlock()
	e.takeOver(old)
}

// newest waits until a replacement that has begun is published, and returns it.
func (l *Limiter) newest() *setup {
	l.swap.Lock()
	defer l.swap.Unlock()
	return l.setup.Load()
}
