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

// Edge implements [telemetry.Edge]. It is not kept: what starts is told by the event of
// the configuration or of the service, and every start would add one for each part.
func (e Registered) Edge() (string, fault.Severity) { return e.Name.String(), "" }

// Edge implements [telemetry.Edge]. That an owner has ended is kept, because nobody asked
// for it.
func (e Unregistered) Edge() (string, fault.Severity) {
	if e.Reason != OwnerEnded {
		return e.Name.String(), ""
	}
	return e.Name.String(), fault.SeverityInfo
}

// EventName implements [telemetry.Event].
func (Registered) EventName() string { return eventPrefix + "registered" }

// EventName implements [telemetry.Event].
func (Unregistered) EventName() string { return eventPrefix + "unregistered" }
