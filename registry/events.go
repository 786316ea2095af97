package registry

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

const eventPrefix = telemetry.Prefix + "registry."

// Registered says that a name was taken.
type Registered struct {
	Name Name
	Type string // of the value, in Go
}

// Unregistered says that a name is free again.
type Unregistered struct {
	Name   Name
	Type   string // of the value, in Go
	Reason Reason
	After  time.Duration // how long the name was taken
}

// Reason says why a name is free again.
type Reason string

// The reasons.
const (
	Released   Reason = "released"    // by whoever had registered it
	OwnerEnded Reason = "owner_ended" // its owner's context has ended
	Cleared    Reason = "cleared"     // its namespace was cleared
)

// Edge implements [telemetry.Edge].
func (e Registered) Edge() (string, fault.Severity) { return e.Name.String(), fault.SeverityInfo }

// Edge implements [telemetry.Edge].
func (e Unregistered) Edge() (string, fault.Severity) { return e.Name.String(), fault.SeverityInfo }

// EventName implements [telemetry.Event].
func (Registered) EventName() string { return eventPrefix + "registered" }

// EventName implements [telemetry.Event].
func (Unregistered) EventName() string { return eventPrefix + "unregistered" }
