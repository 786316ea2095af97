package foundation

import (
	"context"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

const breakerSection, breakerComponent = "breakers", "circuit_breaker"

// circuit is what the section "breakers" makes: a [breaker.Breaker] or a
// [breaker.Group].
type circuit interface {
	telemetry.Source
	Reconfigure(cfg breaker.Config) error
}

func (f *Foundation) breakers() section {
	return &parts[config.Breaker, circuit]{
		name:     breakerSection,
		settings: func(c *config.Config) map[string]config.Breaker { return c.Breakers },
		open: func(_ context.Context, _ *transition, name string, b config.Breaker) (circuit, error) {
			if b.Per != "" {
				return breaker.NewGroup(name, b.Config, b.MaxMembers, breaker.WithBus(f.bus))
			}
			return breaker.New(name, b.Config, breaker.WithBus(f.bus))
		},
		change: func(t *transition, c circuit, _ string, b config.Breaker) {
			t.steps = append(t.steps, func() error { return c.Reconfigure(b.Config) })
		},
		vital: circuitHealth,
		show: func(s *Status, all []circuit) {
			s.Breakers, s.BreakerGroups = []breaker.Status{}, []breaker.GroupStatus{}
			for _, c := range all {
				switch c := c.(type) {
				case *breaker.Breaker:
					s.Breakers = append(s.Breakers, c.Status())
				case *breaker.Group:
					s.BreakerGroups = append(s.BreakerGroups, c.Status())
				}
			}
		},
	}
}

// Breaker returns the breaker of a name. It keeps its state through all changes
// of its settings. A breaker that was removed no longer protects anything, and
// one that is added again under its name is another: ask again then.
func (f *Foundation) Breaker(name string) (*breaker.Breaker, error) {
	return findCircuit[*breaker.Breaker](f, name, "this name is a group of breakers: ask for BreakerGroup")
}

// BreakerGroup returns the group of breakers of a name; see [Foundation.Breaker].
func (f *Foundation) BreakerGroup(name string) (*breaker.Group, error) {
	return findCircuit[*breaker.Group](f, name, "this name is one breaker and no group: ask for Breaker")
}

func findCircuit[C circuit](f *Foundation, name, otherwise string) (C, error) {
	var none C
	if own, ok := f.own.breakers[name]; ok {
		if b, ok := any(own).(C); ok {
			return b, nil
		}
	}
	c, err := find[circuit](f.assembly.Load(), breakerSection, breakerComponent, name)
	if err != nil {
		return none, err
	}
	wanted, ok := c.(C)
	if !ok {
		return none, fault.New(fault.Spec{Code: fault.NotFound, Component: breakerComponent, Name: name, Message: otherwise})
	}
	return wanted, nil
}
