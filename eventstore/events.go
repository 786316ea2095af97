package eventstore

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Dropped says that events were not recorded, because too many waited while the store was
// away. It is emitted when the store is back.
type Dropped struct{ Events uint64 }

// EventName implements [telemetry.Event].
func (Dropped) EventName() string { return telemetry.Prefix + "event_store.dropped" }

// Edge implements [telemetry.Edge].
func (Dropped) Edge() (string, fault.Severity) { return "", fault.SeverityWarning }

// Pruned says that old events were removed.
type Pruned struct{ Events int }

// EventName implements [telemetry.Event].
func (Pruned) EventName() string { return telemetry.Prefix + "event_store.pruned" }

// Edge implements [telemetry.Edge].
func (Pruned) Edge() (string, fault.Severity) { return "", fault.SeverityInfo }

// counted is how much a [Count] has grown.
type counted struct {
	kind, name string

	Code  string
	Count uint64
	Since time.Time
}

func (c counted) EventName() string { return telemetry.Prefix + c.kind }

func (c counted) Edge() (string, fault.Severity) { return c.name, fault.SeverityInfo }
