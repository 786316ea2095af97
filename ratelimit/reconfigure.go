package ratelimit

import (
	"maps"

	"github.com/elixirscope/foundation/clock"
)

// Reconfigure changes the rule and keeps its overrides. What keys have taken stays taken and runs off at
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
	l.change.Lock()
	defer l.change.Unlock()
	return l.reconfigure(now, cfg, l.setup.Load().overrides.all())
}

// ReconfigureWith is [Limiter.Reconfigure] and [Limiter.SetOverrides] in one, for overrides that go with the new
// rule and not with the old one.
func (l *Limiter) ReconfigureWith(cfg Config, byKey map[string]Override) error {
	l.change.Lock()
	defer l.change.Unlock()
	return l.reconfigure(clock.Now(), cfg, byKey)
}

// reconfigure makes cfg the rule and byKey its overrides.
// REQUIRES: l.change is held.
func (l *Limiter) reconfigure(now clock.Instant, cfg Config, byKey map[string]Override) error {
	old := l.setup.Load()
	if old.given == cfg && maps.Equal(old.overrides.all(), byKey) {
		return nil
	}
	ps := cfg.problems()
	if ps = append(ps, cfg.overrideProblems(byKey)...); len(ps) > 0 {
		return ps.Err(component, l.name)
	}
	next := *old
	next.given, next.config, next.revision = cfg, cfg.withDefaults(), old.revision+1
	c := change{lim: l, old: old, next: &next, at: now, anew: next.config.Parts != old.config.Parts}
	c.planOverrides(byKey)
	c.planRule()
	c.publish()
	c.move()
	return nil
}

// newest waits until a replacement that has begun is published, and returns it.
func (l *Limiter) newest() *setup {
	l.swap.Lock()
	defer l.swap.Unlock()
	return l.setup.Load()
}
