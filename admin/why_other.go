package admin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/supervise"
)

func (e *explanation) service(name string) {
	s := partOf(e.status.Services, name, func(v *adminapi.Service) string { return v.Name })
	e.Well = s.State == supervise.Running.String() || s.State == supervise.Completed.String() || s.State == supervise.Stopped.String()
	e.Verdict = fmt.Sprintf("service %s is %s for %s", name, strings.ReplaceAll(s.State, "_", " "), span(s.SinceSeconds))
	if e.Well {
		e.Verdict = fmt.Sprintf("service %s is well: %s for %s", name, strings.ReplaceAll(s.State, "_", " "), span(s.SinceSeconds))
	} else {
		e.Since = s.Since
		if s.LastError != "" {
			e.Verdict += ": " + s.LastError
		}
		e.try("service restart "+quoted(name)+" --reason '…'", "start it anew at once")
	}
	e.number("failures in a row", float64(s.Failures), "", s.Failures > 0, "")
	e.number("failures", float64(s.TotalFailures), "", false, "since the start")
	e.number("starts", float64(s.Incarnation), "", false, "")
	e.number("retry in", s.RetryAfterSeconds, "seconds", false, "")
	if s.LastError != "" {
		e.error("failure", s.TotalFailures, s.FailedAt, "service "+name, s.LastError)
	}
}

func (e *explanation) check(name string) {
	c := partOf(e.checks, name, func(v *adminapi.HealthComponent) string { return v.Name })
	e.Well = c.Status == health.Pass.String()
	e.Verdict = fmt.Sprintf("check %s is well: %s for %s", name, c.Outcome, span(c.SinceSeconds))
	if !e.Well {
		e.Since = c.Since
		e.Verdict = fmt.Sprintf("check %s: %s for %s", name, c.Status, span(c.SinceSeconds))
		if c.Output != "" {
			e.Verdict += ": " + c.Output
		}
		if len(c.Causes) > 0 {
			e.Verdict += "; the cause: " + strings.Join(c.Causes, ", ")
		}
		e.try("get health "+quoted(name), "all that is known of the check")
	}
	e.against("took", c.LastSeconds, c.TimeoutSeconds, "seconds", c.Outcome == "timed_out", "the last run, against its timeout")
	e.number("every", c.EverySeconds, "seconds", false, "")
	e.number("in a row", float64(c.InARow), "", false, "results like the last one")
	for _, of := range c.DependsOn {
		i := slices.IndexFunc(e.checks, func(v adminapi.HealthComponent) bool { return v.Name == of })
		if i >= 0 {
			e.part("check", of, e.checks[i].Status == health.Pass.String(), e.checks[i].Status)
		}
	}
}

func (e *explanation) memory() {
	m := &e.status.Memory
	e.Well = m.Level == "normal" || m.Level == levelOff
	switch {
	case m.Level == levelOff:
		e.Verdict = "memory is not watched: the section memory is off"
	case e.Well:
		e.Verdict = "memory is well: its level is normal for " + span(m.SinceSeconds)
	default:
		e.Since = m.Since
		e.Verdict = "memory pressure is " + m.Level + " for " + span(m.SinceSeconds) + " (" + m.Cause + "), " + refusedText(m.Priorities)
		e.try("get memory", "limits, levels and what can be given up")
		if m.Simulation.Level != "" {
			e.try("memory simulate normal --reason '…'", "end what "+m.Simulation.Actor+" simulates")
		}
	}
	for _, l := range m.Limits {
		e.against("used of "+l.Source, l.Ratio, highLevel(m), "ratio", l.Ratio >= highLevel(m), fmt.Sprintf("%d of %d bytes", l.Used, l.Limit))
	}
	for _, p := range m.Priorities {
		if p.Refused > 0 {
			e.number(p.Priority+" refused", p.Refused, "ratio", true, fmt.Sprintf("%d calls so far", p.Shed))
		}
	}
}

// highLevel is the share of a limit from which on memory is short.
func highLevel(m *adminapi.Memory) float64 {
	for _, l := range m.Levels {
		if l.Level == "elevated" {
			return l.Enter
		}
	}
	return 1
}
