package ratelimit

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// RequestAllowed is emitted for every call that was admitted. It is built only
// while somebody listens.
type RequestAllowed struct {
	Name             string // of the limiter that was asked
	Key              string // the key's text
	Cost             int64
	Limit, Remaining int64
	WouldRefuse      bool // admitted only because of shadow mode
}

// EventName implements [telemetry.Event].
func (RequestAllowed) EventName() string { return telemetry.Prefix + "rate_limiter.request_allowed" }

// RequestDenied is emitted for every call that was refused, and in shadow mode
// for every call that would have been. It is built only while somebody listens.
type RequestDenied struct {
	Name             string // of the limiter that was asked
	By               string // of the rule that refused: the same, or a parent
	Key              string // the key's text
	Cost             int64
	Limit, Remaining int64
	RetryAfter       time.Duration
	WouldRefuse      bool // shadow mode: the call goes on
}

// EventName implements [telemetry.Event].
func (RequestDenied) EventName() string { return telemetry.Prefix + "rate_limiter.request_denied" }

// KeyReset is emitted when what a key has taken was forgotten on request.
type KeyReset struct {
	Name  string
	Key   string // the key's text
	Actor string // who asked for it, if known
	At    time.Time
}

// Edge implements [telemetry.Edge].
func (e KeyReset) Edge() (string, fault.Severity) { return e.Name, fault.SeverityInfo }

// EventName implements [telemetry.Event].
func (KeyReset) EventName() string { return telemetry.Prefix + "rate_limiter.key_reset" }

// KeysOverflowed is emitted when a limiter that had room for new keys has none
// any more, so that keys begin to share the overflow buckets.
type KeysOverflowed struct {
	Name    string
	MaxKeys int
	At      time.Time
}

// Edge implements [telemetry.Edge].
func (e KeysOverflowed) Edge() (string, fault.Severity) { return e.Name, fault.SeverityWarning }

// EventName implements [telemetry.Event].
func (KeysOverflowed) EventName() string { return telemetry.Prefix + "rate_limiter.keys_overflowed" }

func newDenied(l *Limiter, d *Decision, k *Key) RequestDenied {
	return RequestDenied{
		Name: l.name, By: d.name(), Key: k.Text(), Cost: d.cost, Limit: d.Limit, Remaining: d.Remaining,
		RetryAfter: d.RetryAfter, WouldRefuse: d.WouldRefuse(),
	}
}

// spilled counts a call that was sent to an overflow bucket, and reports the
// first one since there was room.
func (l *Limiter) spilled(e *engine) {
	l.overflowed.Add(1)
	if e.spill.Swap(true) || !l.keysOverflowed.Active() {
		return
	}
	l.keysOverflowed.Emit(context.Background(), KeysOverflowed{Name: l.name, MaxKeys: int(e.maxKeys), At: time.Now()})
}
