package shared

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// StoreFailed is emitted when a store is no longer asked because it does not answer.
type StoreFailed struct {
	Cause string // the last error
	// Local, Allowed and Denied are the rules whose calls are now counted locally,
	// admitted, or refused, in the order of their names.
	Local, Allowed, Denied []string
	At                     time.Time
}

// EventName implements [telemetry.Event].
func (StoreFailed) EventName() string { return telemetry.Prefix + "rate_limiter.store_failed" }

// Edge implements [telemetry.Edge].
func (StoreFailed) Edge() (string, fault.Severity) { return edgeName, fault.SeverityError }

// StoreRecovered is emitted when a store answers again and calls are decided by it.
type StoreRecovered struct {
	Away time.Duration // how long it was not asked
	// Fallback counts the decisions that were made without the store meanwhile.
	Fallback uint64
	At       time.Time
}

// EventName implements [telemetry.Event].
func (StoreRecovered) EventName() string { return telemetry.Prefix + "rate_limiter.store_recovered" }

// Edge implements [telemetry.Edge].
func (StoreRecovered) Edge() (string, fault.Severity) { return edgeName, fault.SeverityInfo }

// edgeName is the part that the events are about: all rules that use the store.
const edgeName = "shared"
