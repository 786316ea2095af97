package breaker

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// The states as metrics tell them apart: those of the machine and the two that
// an operator can force.
const (
	labelClosed = iota
	labelOpen
	labelHalfOpen
	labelForcedOpen
	labelForcedClosed
	stateLabels
)

var stateLabelNames = [stateLabels]string{"closed", "open", "half_open", "forced_open", "forced_closed"}

// label is the state at now, as metrics name it.
func (e *era) label(now clock.Instant) int {
	switch {
	case e.gate == gateOff:
		return labelClosed
	case e.override.active(now):
		return e.override.kind.label()
	default:
		return int(e.m.view(now))
	}
}

// spentAt returns the time spent in each state up to now, this era included. The
// states that nobody has noticed yet (an override or a cooldown that ended while
// no call came) get their share.
func (e *era) spentAt(now clock.Instant) [stateLabels]time.Duration {
	spent, from := e.spent, e.began
	pass := func(label int, until clock.Instant) {
		if until > from {
			spent[label] += until.Sub(from)
			from = until
		}
	}
	switch {
	case e.gate == gateOff:
		pass(labelClosed, now)
	case e.override.kind != overrideNone:
		pass(e.override.kind.label(), min(now, e.override.until))
	}
	if e.m.state == StateOpen {
		pass(labelOpen, min(now, e.m.until))
		pass(labelHalfOpen, now)
	}
	pass(int(e.m.state), now)
	return spent
}
