package breaker

import (
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
)

// Reconfigure puts cfg into force without a break: state, totals, the remaining
// cooldown, overrides and calls in flight stay as they are. The window keeps what it
// counted under other thresholds; of another length it begins afresh, but for the
// failures in a row, and a rule that counts in a form that was not in use (failures,
// failures in a row, calls by time) begins with nothing counted. New thresholds are
// applied from the next call on: a reconfiguration by itself neither opens nor
// closes. A new cooldown or ramp holds from the next opening or closing on.
//
// A faulty cfg is refused with all its faults and changes nothing; one that is
// equal to the present is a no-op and leaves the revision as it is. One with a
// Classify is equal to none: functions cannot be compared.
func (b *Breaker) Reconfigure(cfg Config) error {
	if err := check(b.name, cfg); err != nil {
		return err
	}
	b.reconfigure(cfg.withDefaults(), 0)
	return nil
}

// reconfigure applies a valid cfg with its defaults. A group gives its revision,
// which is noted also where it changes nothing, so that an older one that arrives
// late can be dropped; 0 means that cfg is for this breaker alone.
func (b *Breaker) reconfigure(cfg Config, group uint64) {
	now := clock.Now()
	b.mu.Lock()
	if present := b.era.Load().rules; group > present.group || group == 0 && !present.same(cfg) {
		next := &rules{Config: cfg, revision: max(group, present.revision+1), group: max(group, present.group), own: group == 0}
		b.reconfigureLocked(next, now)
	}
	b.mu.Unlock()
	b.deliver()
}

// reconfigureLocked REQUIRES: b.mu.
func (b *Breaker) reconfigureLocked(r *rules, now clock.Instant) {
	old := b.catchUpLocked(now)
	next := *old
	next.rules = r
	next.window = old.window.underLocked(old.rules, r, b.single)
	if (r.Mode == mode.Off) != (old.rules.Mode == mode.Off) {
		next.m = old.rules.step(old.m, event{kind: onSuspend}, totals{}, now)
	}
	b.markBusyLocked(b.publishLocked(&next, causeReconfigured, "", now), now)
}
