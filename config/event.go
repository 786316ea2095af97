package config

import (
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Applied is emitted when a configuration has taken the place of another, after
// the swap, once for each revision.
type Applied struct {
	Revision uint64
	Source   string // the file it was read from, or "code"
	Actor    string // who changed it, see [By]
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
	Actor    string // who wanted the change, see [By]
	Reason   string
	Err      error
}

// Edge implements [telemetry.Edge].
func (Applied) Edge() (string, fault.Severity) { return "", fault.SeverityInfo }

// Edge implements [telemetry.Edge].
func (Rejected) Edge() (string, fault.Severity) { return "", fault.SeverityWarning }

// EventName implements [telemetry.Event].
func (Applied) EventName() string { return telemetry.Prefix + "config_server.applied" }

// EventName implements [telemetry.Event].
func (Rejected) EventName() string { return telemetry.Prefix + "config_server.rejected" }
