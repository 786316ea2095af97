package config

import (
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Applied is emitted when a configuration has taken the place of another, after
// the swap, once for each revision.
type Applied struct {
	Revision uint64
	Source   string // the path of the file it was read from, "api" or "code"
	Actor    string // that changed it, see [By]
	Reason   string
	Changes  []Change // against the revision before; shared, do not change it
	// Warnings are what is legal in it and very likely a mistake.
	Warnings []fault.Problem
}

// Rejected is emitted when a configuration was refused; the one before it stays
// in force.
type Rejected struct {
	Revision uint64 // that stays in force
	Source   string
	Actor    string // that wanted the change, see [By]
	Reason   string
	Err      error
}

// RolledBack is emitted after [Applied] when the revision is one from the history.
type RolledBack struct {
	Revision uint64 // that came into force
	To       uint64 // whose document it has
	Source   string
	Actor    string
	Reason   string
	Changes  []Change // against the revision before; shared, do not change it
}

// DriftDiscarded is emitted when what was changed through the API is given up,
// because the file has changed, somebody wanted it, or it cannot be restored.
type DriftDiscarded struct {
	Revision  uint64 // that came into force
	Discarded uint64 // the newest of the revisions that were given up
	Source    string // the path of the file that took their place
	Actor     string
	Reason    string
	Why       string
}

// Edge implements [telemetry.Edge].
func (RolledBack) Edge() (string, fault.Severity) { return "", fault.SeverityInfo }

// Edge implements [telemetry.Edge].
func (DriftDiscarded) Edge() (string, fault.Severity) { return "", fault.SeverityWarning }

// EventName implements [telemetry.Event].
func (RolledBack) EventName() string { return telemetry.Prefix + "config_server.rolled_back" }

// EventName implements [telemetry.Event].
func (DriftDiscarded) EventName() string { return telemetry.Prefix + "config_server.drift_discarded" }

// Edge implements [telemetry.Edge].
func (Applied) Edge() (string, fault.Severity) { return "", fault.SeverityInfo }

// Edge implements [telemetry.Edge].
func (Rejected) Edge() (string, fault.Severity) { return "", fault.SeverityWarning }

// EventName implements [telemetry.Event].
func (Applied) EventName() string { return telemetry.Prefix + "config_server.applied" }

// EventName implements [telemetry.Event].
func (Rejected) EventName() string { return telemetry.Prefix + "config_server.rejected" }
