package memory

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/priority"
	"github.com/elixirscope/foundation/telemetry"
)

const eventPrefix = telemetry.Prefix + "memory_manager."

// PressureChanged says that another level holds.
type PressureChanged struct {
	From, To Level
	Cause    string // why it is not lower
	// Source, Used, Limit and Ratio are those of the [Term] that decided; zero where none is
	// known.
	Source      string
	Used, Limit uint64
	Ratio       float64
	Simulated   bool
}

// CleanupExecuted says that a [Cleaner] has run, or that a garbage collection was forced.
type CleanupExecuted struct {
	Cleaner  string
	Level    Level
	Target   int64 // how many bytes were wanted
	Freed    int64 // as the cleaner says
	Measured int64 // by how many bytes the use has fallen
	Took     time.Duration
	Err      error
	Cooldown time.Duration // until it may run again
}

// RequestShed says how many calls of a priority were refused since the last such event.
type RequestShed struct {
	Priority priority.Priority
	Level    Level
	Calls    uint64
	Over     time.Duration
}

// EventName implements [telemetry.Event].
func (PressureChanged) EventName() string { return eventPrefix + "pressure_changed" }

// EventName implements [telemetry.Event].
func (CleanupExecuted) EventName() string { return eventPrefix + "cleanup_executed" }

// EventName implements [telemetry.Event].
func (RequestShed) EventName() string { return eventPrefix + "request_shed" }

// Edge implements [telemetry.Edge].
func (e PressureChanged) Edge() (string, fault.Severity) {
	switch e.To {
	case Critical:
		return component, fault.SeverityError
	case Elevated, High, Unknown:
		return component, fault.SeverityWarning
	case Normal:
	}
	return component, fault.SeverityInfo
}

// Edge implements [telemetry.Edge].
func (e CleanupExecuted) Edge() (string, fault.Severity) {
	if e.Err != nil {
		return e.Cleaner, fault.SeverityWarning
	}
	return e.Cleaner, fault.SeverityInfo
}

// Edge implements [telemetry.Edge].
func (e RequestShed) Edge() (string, fault.Severity) {
	return e.Priority.String(), fault.SeverityWarning
}

// tellEvery is how often refused calls become events.
const tellEvery = 10 * time.Second

// tellShed tells how many calls were refused since it was last told: an event for each would
// cost more than the call.
func (m *Manager) tellShed(ctx context.Context, now time.Time) {
	for _, e := range m.untold(now) {
		m.shedRow.Emit(ctx, e)
	}
}

func (m *Manager) untold(now time.Time) (all []RequestShed) {
	m.sampling.Lock()
	defer m.sampling.Unlock()
	over := now.Sub(m.toldAt)
	if over < tellEvery {
		return nil
	}
	first := m.toldAt.IsZero()
	m.toldAt = now
	for p := priority.Critical; p <= priority.Bulk; p++ {
		n := m.shed[p].Load()
		if n > m.told[p] && !first {
			all = append(all, RequestShed{Priority: p, Level: m.view.Load().level, Calls: n - m.told[p], Over: over})
		}
		m.told[p] = n
	}
	return all
}
