package memory

import (
	"time"

	"github.com/elixirscope/foundation/priority"
	"github.com/elixirscope/foundation/telemetry"
)

// Status is a [Manager] at one moment.
type Status struct {
	Level Level // what calls meet: of what is measured and simulated, the worse
	// Measured is the level without a simulation.
	Measured   Level
	Since      time.Time // of Measured
	Cause      string    // why the level is not lower; empty at Normal
	Simulation Simulation
	// Stale says that the last sample is so old that no call is refused.
	Stale   bool
	Last    Sample
	Samples uint64
	// Refused is the share of calls that is refused now, and Shed how many were so far, by
	// priority. Calls of guards in shadow mode are counted, too.
	Refused  map[priority.Priority]float64
	Shed     map[priority.Priority]uint64
	Cleaners []CleanerStatus
	Config   Config // with defaults
}

// Status returns a picture of the manager. The result belongs to the caller.
func (m *Manager) Status() Status {
	v := m.view.Load()
	now := time.Now()
	m.mu.Lock()
	s := Status{
		Level: v.level, Measured: m.state.level, Since: m.state.since, Cause: v.cause, Simulation: m.simulation, Last: m.last, Samples: m.samples,
		Config: m.config, Refused: make(map[priority.Priority]float64), Shed: make(map[priority.Priority]uint64),
	}
	s.Stale = m.running && !v.at.IsZero() && now.After(v.fresh)
	m.mu.Unlock()
	for p := priority.Critical; p <= priority.Bulk; p++ {
		s.Refused[p], s.Shed[p] = v.shares[p], m.shed[p].Load()
		if s.Stale {
			s.Refused[p] = 0
		}
	}
	s.Cleaners = m.cleaning.status()
	return s
}

// Level returns the level that calls meet now.
func (m *Manager) Level() Level { return m.view.Load().level }

// Highest returns the limit that is used most; false if none is known.
func (s *Sample) Highest() (Term, bool) { return highest(s.Terms) }

// The metrics of the manager.
var (
	descLevel = &telemetry.Desc{
		Name: "foundation_memory_pressure_level", Help: "How short memory is: 0 normal, 1 elevated, 2 high, 3 critical, -1 unknown.", Kind: telemetry.Gauge,
	}
	descRatio = &telemetry.Desc{
		Name: "foundation_memory_limit_ratio", Help: "The share of the limit that is used, of the limit that is used most; -1 if none is known.", Kind: telemetry.Gauge,
	}
	descUsed = &telemetry.Desc{
		Name: "foundation_memory_used_bytes", Help: "What is used of the limit that is used most.", Kind: telemetry.Gauge,
	}
	descLimit = &telemetry.Desc{
		Name: "foundation_memory_limit_bytes", Help: "The limit that is used most; 0 if none is known.", Kind: telemetry.Gauge,
	}
	descShed = &telemetry.Desc{
		Name: "foundation_memory_shed_total", Help: "Calls that were refused because memory was short.", Kind: telemetry.Counter, Labels: []string{"priority"},
	}
	descSamples = &telemetry.Desc{
		Name: "foundation_memory_samples_total", Help: "Samples of the memory that were taken.", Kind: telemetry.Counter,
	}
	descUnread = &telemetry.Desc{
		Name: "foundation_memory_unread", Help: "Files of the system that could not be read or understood.", Kind: telemetry.Gauge,
	}
	descStale = &telemetry.Desc{
		Name: "foundation_memory_stale", Help: "1 while the last sample is so old that no call is refused.", Kind: telemetry.Gauge,
	}
	descCleanups = &telemetry.Desc{
		Name: "foundation_memory_cleanups_total", Help: "How often a cleaner has run.", Kind: telemetry.Counter, Labels: []string{"cleaner"},
	}
	descCleanFailures = &telemetry.Desc{
		Name: "foundation_memory_cleanup_failures_total", Help: "How often a cleaner has failed, panicked or not returned in time.", Kind: telemetry.Counter, Labels: []string{"cleaner"},
	}
	descFreed = &telemetry.Desc{
		Name: "foundation_memory_cleanup_freed_bytes_total", Help: "What a cleaner has freed, as it says.", Kind: telemetry.Counter, Labels: []string{"cleaner"},
	}
)

// Collect implements [telemetry.Source].
func (m *Manager) Collect(emit func(telemetry.Sample)) {
	s := m.Status()
	top, known := s.Last.Highest()
	ratio := top.Ratio
	if !known {
		ratio = -1
	}
	stale := 0.0
	if s.Stale {
		stale = 1
	}
	for _, g := range []struct {
		desc  *telemetry.Desc
		value float64
	}{
		{descLevel, gauge(s.Level)},
		{descRatio, ratio},
		{descUsed, float64(top.Used)},
		{descLimit, float64(top.Limit)},
		{descSamples, float64(s.Samples)},
		{descUnread, float64(len(s.Last.Unread))},
		{descStale, stale},
	} {
		emit(telemetry.Sample{Desc: g.desc, Value: g.value})
	}
	for p := priority.Critical; p <= priority.Bulk; p++ {
		emit(telemetry.Sample{Desc: descShed, Labels: []string{p.String()}, Value: float64(s.Shed[p])})
	}
	for _, c := range s.Cleaners {
		labels := []string{c.Name}
		emit(telemetry.Sample{Desc: descCleanups, Labels: labels, Value: float64(c.Runs)})
		emit(telemetry.Sample{Desc: descCleanFailures, Labels: labels, Value: float64(c.Failures)})
		emit(telemetry.Sample{Desc: descFreed, Labels: labels, Value: float64(c.Freed)})
	}
}
