package admin

import (
	"time"

	foundation "github.com/elixirscope/foundation"
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
	if p.Routes != nil {
		s.Routes = append(s.Routes, p.Routes()...)
	}
	s.Config = adminapi.ConfigStatus{
		Revision: layer.Revision, Source: layer.Source, Drifted: layer.Drifted, Pending: layer.Pending, Attention: layer.Attention, AppliedAt: layer.AppliedAt,
		LastReloadAt: layer.LastReload, LastReloadSuccessful: layer.LastReloadError == nil,
	}
	if layer.LastReloadError != nil {
		s.Config.LastReloadError = told(layer.LastReloadError).Error()
	}
}

func (p *Program) notReady() string {
	if p.NotReady == nil {
		return ""
	}
	return p.NotReady()
}

func (p *Program) draining() bool { return p.Draining != nil && p.Draining() }
