package breaker

import "github.com/elixirscope/foundation/internal/clock"

// Reconfigure puts cfg into force without a break: state, counts, the remaining
// cooldown, overrides and calls in flight stay as they are, and the window keeps
// what it counted, also when its length or the rules change (to the precision of
// the ratio rules where counting by time and by failure meet). New thresholds
// are applied from the next call on: a reconfiguration by itself neither opens
// nor closes. A new cooldown or ramp holds from the next opening or
// closing on.
//
// A faulty cfg is refused with all its faults and changes nothing; one that is
// equal to the present is a no-op and leaves the revision as it is.
func (b *Breaker) Reconfigure(cfg Config) error {
	if err := check(b.name, cfg); err != nil {
		return err
	}
	b.reconfigure(cfg.WithDefaults(), 0)
	return nil
}

// reconfigure applies a valid cfg with its defaults. A group gives the revision,
// and an older one that arrives late is dropped; 0 means the next.
func (b *Breaker) reconfigure(cfg Config, revision uint64) {
	now := clock.Now()
	b.mu.Lock()
	if present := b.era.Load().rules; present.Config != cfg && (revision == 0 || revision > present.revision) {
		b.reconfigureLocked(cfg, revision, now)
	}
	b.mu.Unlock()
	b.edges.flush(b.changed)
}

// reconfigureLocked REQUIRES: b.mu.
func (b *Breaker) reconfigureLocked(cfg Config, revision uint64, now clock.Instant) {
	old := b.catchUpLocked(now)
	next := *old
	next.rules = &rules{Config: cfg, revision: or(revision, old.rules.revision+1)}
	next.window = old.window.carriedLocked(old.rules, next.rules, b.single)
	if (cfg.Mode == Off) != (old.rules.Mode == Off) {
		next.m = old.rules.step(old.m, event{kind: onSuspend}, totals{}, now)
	}
	b.markBusyLocked(b.publishLocked(&next, CauseReconfigured, "", now), now)
}
