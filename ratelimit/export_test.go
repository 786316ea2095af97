package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Watchers returns how many calls watch the rule for their turn.
func (l *Limiter) Watchers() int64 { return l.watching.count.Load() }

// What follows lets tests choose the moment, and look behind a decision.

func (l *Limiter) AllowAt(now clock.Instant, key Key, cost int64) (d Decision) {
	l.allow(&d, now, &key, cost)
	return d
}

func (l *Limiter) Parent() *Limiter { return l.setup.Load().parent }

func (l *Limiter) ReserveAt(now clock.Instant, key Key, cost int64) Reservation {
	return l.reserveAt(now, key, cost)
}

func (r *Reservation) DelayAt(now clock.Instant) time.Duration { return r.delayAt(now) }

func (r *Reservation) CancelAt(now clock.Instant) { r.cancelAt(now) }

func (d *Decision) Refusal() *fault.Error {
	if d.kind == admitted {
		return nil
	}
	return d.refused()
}

// ChangeAt is ReconfigureWith at a moment.
func (l *Limiter) ChangeAt(now clock.Instant, c Config, byKey map[string]Override) error {
	l.change.Lock()
	defer l.change.Unlock()
	return l.reconfigure(now, c, byKey)
}
