package admin

import (
	"errors"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// describe fills in what is said of the program, and of its configuration.
func (a *api) describe(s *adminapi.Status, layer *foundation.Status) {
	p := &a.options.Program
	s.Build, s.Namespace = p.Build, layer.Namespace
	s.StartedAt, s.UptimeSeconds = p.Started, time.Since(p.Started).Seconds()
	s.Draining = p.draining()
	s.Ready = p.notReady() == "" && a.layer.Health().Report().Ready
	if p.Attention != nil {
		s.Reasons = append(s.Reasons, p.Attention()...)
	}
	if p.Listeners != nil {
		s.Listeners = append(s.Listeners, p.Listeners()...)
	}
	s.Config = configStatus(layer)
	s.LogLevel = a.level.view()
}

func configStatus(layer *foundation.Status) adminapi.ConfigStatus {
	s := adminapi.ConfigStatus{
		Revision: layer.Revision, Source: layer.Source, Drifted: layer.Drifted, Pending: layer.Pending, Attention: layer.Attention, AppliedAt: layer.AppliedAt,
		LastReloadAt: layer.LastReload, LastReloadSuccessful: layer.LastReloadError == nil, LastReloadSuccessAt: layer.LastReloadSuccess, LastReloadProblems: []fault.Problem{},
	}
	if layer.LastReloadError != nil {
		err := told(layer.LastReloadError)
		s.LastReloadError = err.Error()
		if f, ok := errors.AsType[*fault.Error](err); ok {
			s.LastReloadProblems = nonNil(f.Problems())
		}
	}
	return s
}

func (p *Program) notReady() string {
	if p.NotReady == nil {
		return ""
	}
	return p.NotReady()
}

func (p *Program) draining() bool { return p.Draining != nil && p.Draining() }
