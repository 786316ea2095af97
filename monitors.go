package foundation

import (
	"context"
	"log/slog"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

// watcher is what a monitor's section makes: a service that can be given other settings
// while it runs. Collect and Reconfigure may be called whether Serve runs or not.
type watcher[S any] interface {
	comparable
	telemetry.Source
	supervise.Service
	Reconfigure(settings S) error
}

// monitor is a section of one part, which runs as a service of the section's name while
// the section is on. It may be off, left out or a mapping, see [config.Memory]; left out it
// runs where [Options.Monitors] says so.
type monitor[S any, P watcher[S]] struct {
	f    *Foundation
	name string // of the section in the file
	// settings returns those of the section, whether it is written, and whether it is off.
	settings func(*config.Config) (s S, written, off bool)
	open     func(s S) (P, error)
	show     func(s *Status, p P)
	// vital emits what the part has to say of how things are, named below the section as in
	// "level"; nil is nothing.
	vital func(p P, emit func(health.Component))

	serves P // in the tree of services; belongs to whoever follows the configuration
}

// current returns the part that is in force, or the zero P while the section is off.
func (m *monitor[S, P]) current(a *assembly) P {
	p, _ := a.parts[m.name].(P)
	return p
}

func (m *monitor[S, P]) wanted(c *config.Config) (s S, on bool) {
	s, written, off := m.settings(c)
	return s, !off && (written || m.f.options.Monitors)
}

// prepare opens the part, gives the one that goes on its settings, or leaves it out.
// The part keeps what it knows as long as the section stays on.
func (m *monitor[S, P]) prepare(_ context.Context, t *transition) error {
	s, on := m.wanted(t.next.Config)
	if !on {
		return nil
	}
	var none P
	if p := m.current(t.old); p != none {
		t.next.parts[m.name] = p
		t.steps = append(t.steps, func() error { return p.Reconfigure(s) })
		return nil
	}
	p, err := m.open(s)
	if err == nil {
		t.next.parts[m.name] = p
	}
	return err
}

// follow keeps the tree of services in step with the section. One that does not stop in time
// is left behind, and named in the log.
func (m *monitor[S, P]) follow(f *Foundation) {
	var none P
	now := m.current(f.assembly.Load())
	if now == m.serves {
		return
	}
	if m.serves != none {
		if err := f.services.Remove(f.life, m.name); err != nil {
			f.log.Warn("a monitor was not stopped cleanly", slog.String("section", m.name), slog.Any("error", err))
		}
	}
	if m.serves = now; now == none {
		return
	}
	if err := f.Supervise(m.name, now); err != nil {
		f.log.Error("a monitor was not started", slog.String("section", m.name), slog.Any("error", err))
	}
}

func (m *monitor[S, P]) status(a *assembly, s *Status) {
	var none P
	if p := m.current(a); p != none {
		m.show(s, p)
	}
}

// health implements vital.
func (m *monitor[S, P]) health(a *assembly, emit func(health.Component)) {
	var none P
	p := m.current(a)
	if m.vital == nil || p == none {
		return
	}
	m.vital(p, func(c health.Component) {
		c.Name = m.name + "/" + c.Name
		emit(c)
	})
}

func (m *monitor[S, P]) collect(a *assembly, emit func(telemetry.Sample)) {
	var none P
	if p := m.current(a); p != none {
		p.Collect(emit)
	}
}

// close implements section: the services have ended before.
func (m *monitor[S, P]) close(context.Context, *assembly) error { return nil }

// find returns the part that is in force, or a not_found that says how to get one.
func (m *monitor[S, P]) find() (P, error) {
	var none P
	p := m.current(m.f.assembly.Load())
	if p != none {
		return p, nil
	}
	return none, fault.New(fault.Spec{
		Code: fault.NotFound, Component: m.name, Message: "the section " + m.name + " of the configuration is off or missing; write " + m.name + ": {} to run it with defaults",
	})
}
