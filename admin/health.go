package admin

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/internal/suggest"
)

func (a *api) getHealth(r *http.Request) (any, error) {
	report := a.layer.Health().Report()
	group := r.URL.Query().Get("group")
	if group != "" {
		one, ok := report.Group(group)
		if !ok {
			return nil, refuse(fault.NotFound, fmt.Sprintf("there is no group %q%s", group, suggest.For(group, report.Groups)))
		}
		report = one
	}
	v := healthView(report)
	v.Group = group
	if reason := a.options.Program.notReady(); reason != "" {
		v.Ready = false
		if !a.options.Program.draining() { // the report says so
			v.NotReady = append(v.NotReady, reason)
		}
	}
	return v, nil
}

func (a *api) getComponent(r *http.Request) (any, error) {
	name := r.PathValue("name")
	report := a.layer.Health().Report()
	if c, ok := report.Find(name); ok {
		return componentView(&c), nil
	}
	var names []string
	for _, c := range report.Components {
		names = append(names, c.Name)
	}
	return nil, refuse(fault.NotFound, fmt.Sprintf("health has no check and no part %q%s", name, suggest.For(name, names)))
}

func healthView(r *health.Report) adminapi.Health {
	v := adminapi.Health{
		APIVersion: adminapi.Version, At: r.At, Status: r.Status.String(), Score: r.Score, Deductions: []adminapi.Deduction{},
		Ready: r.Ready, NotReady: nonNil(slices.Clone(r.NotReady)), Live: r.Live, NotLive: nonNil(r.NotLive), Started: r.Started,
		Groups: nonNil(r.Groups), Components: []adminapi.HealthComponent{},
	}
	for _, d := range r.Deductions {
		v.Deductions = append(v.Deductions, adminapi.Deduction{Component: d.Component, Points: d.Points, Why: d.Why})
	}
	for i := range r.Components {
		v.Components = append(v.Components, componentView(&r.Components[i]))
	}
	return v
}

// healthSummary is what of a report stands on the page of the status.
func healthSummary(r *health.Report) adminapi.HealthSummary {
	v := adminapi.HealthSummary{Status: r.Status.String(), Score: r.Score, Live: r.Live, Groups: nonNil(r.Groups), Failing: []adminapi.HealthComponent{}}
	for i := range r.Components {
		if c := &r.Components[i]; c.Check != nil && (c.Status == health.Warn || c.Status == health.Fail) {
			v.Failing = append(v.Failing, componentView(c))
		}
	}
	return v
}

func componentView(c *health.Component) adminapi.HealthComponent {
	v := adminapi.HealthComponent{
		Name: c.Name, Status: c.Status.String(), Since: c.Since, SinceSeconds: elapsed(c.Since), Output: c.Output,
		Criticality: c.Criticality.String(), Readiness: c.Readiness, Liveness: c.Liveness, Impacted: c.Impacted,
		Causes: nonNil(c.Causes), DependsOn: nonNil(c.DependsOn), Groups: nonNil(c.Groups), See: c.See, Runs: map[string]uint64{},
	}
	s := c.Check
	if s == nil {
		return v
	}
	v.IsCheck, v.Outcome, v.LastAt, v.LastSeconds, v.InARow = true, s.Outcome.String(), s.At, s.Took.Seconds(), s.Row
	v.EverySeconds, v.TimeoutSeconds = s.Every.Seconds(), s.Timeout.Seconds()
	v.Flapping, v.ChangedPercent, v.Stale, v.Hanging, v.LateDiscarded = s.Flapping, s.Changed, s.Stale, s.Hanging, s.Late
	for outcome, n := range s.Runs {
		v.Runs[outcome.String()] = n
	}
	return v
}
