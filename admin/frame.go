package admin

import (
	"cmp"
	"slices"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/perf"
)

// What a frame shows of lists that have no bound of their own: it is made and sent every second.
const (
	shownFindings    = 50
	shownFrameAlerts = 20
	shownRoots       = 20
	shownOverrides   = 50
)

// frame is the layer at this moment, for those who watch it. It is made of what the status is
// made of, so that both never say different things.
func (a *api) frame(m *memo) *adminapi.Frame {
	layer, of := a.layer.Status(), a.recentsWith(m)
	s := a.judge(&layer, of, notableMember)
	now := time.Now()
	report := a.layer.Health().Report()
	f := &adminapi.Frame{
		APIVersion: adminapi.Version, Full: true, At: now, Instance: layer.Node, Namespace: s.Namespace, Build: s.Build,
		StartedAt: s.StartedAt, UptimeSeconds: s.UptimeSeconds, Ready: s.Ready, Draining: s.Draining,
		Verdict: s.Verdict, Findings: s.Findings, Score: report.Score, Deductions: []adminapi.Deduction{}, Totals: frameTotals(&s, of),
		Rows: frameRows(&s, of, now), Gone: []string{},
		Memory: frameMemory(&s.Memory), Health: frameHealth(report), Alerts: a.frameAlerts(), Config: s.Config, Overrides: frameOverrides(&s),
		Storage:  adminapi.FrameStorage{Kind: s.Storage.Kind, Away: s.Storage.Away, Newest: s.Storage.Newest},
		Services: adminapi.FrameServices{Total: len(s.Services), Failing: failing(s.Services)}, Switches: a.switches(),
	}
	if more := len(f.Findings) - shownFindings; more > 0 {
		f.Findings, f.More = f.Findings[:shownFindings], more
	}
	for _, d := range report.Deductions {
		f.Deductions = append(f.Deductions, adminapi.Deduction{Component: d.Component, Points: d.Points, Why: d.Why})
	}
	return f
}

// frameTotals sums up what comes in from outside: a call that came through a route came
// through its guard as well.
func frameTotals(s *adminapi.Status, of recents) adminapi.FrameTotals {
	t := adminapi.FrameTotals{Of: "guards", RefusedBy: []adminapi.ReasonRate{}}
	refused := map[string]uint64{}
	add := func(r *adminapi.Recent, g *glance, inFlight int64) {
		t.InFlight += inFlight
		if g == nil || r.WindowSeconds == 0 {
			return
		}
		t.WindowSeconds = max(t.WindowSeconds, r.WindowSeconds)
		t.Rate += r.Rate
		t.NowRate += g.nowRate()
		t.FailedRate += float64(r.Failed+r.TimedOut) / r.WindowSeconds
		t.RefusedRate += float64(r.Refused) / r.WindowSeconds
		for reason, n := range r.RefusedBy {
			refused[reason] += n
		}
	}
	if len(s.Routes) > 0 {
		t.Of = "routes"
	}
	for i := range s.Routes {
		r := &s.Routes[i]
		add(&r.Recent, of.of[routeOperation+r.Name], r.InFlight)
	}
	for i := range s.Guards {
		if g := &s.Guards[i]; len(s.Routes) == 0 {
			add(&g.Recent, of.of[g.Name], g.InFlight)
		}
	}
	for reason, n := range refused {
		if n > 0 {
			t.RefusedBy = append(t.RefusedBy, adminapi.ReasonRate{Reason: reason, Rate: digits(float64(n) / t.WindowSeconds)})
		}
	}
	slices.SortFunc(t.RefusedBy, func(x, y adminapi.ReasonRate) int {
		return cmp.Or(cmp.Compare(y.Rate, x.Rate), cmp.Compare(x.Reason, y.Reason))
	})
	for i := range s.Breakers {
		t.NotClosed += notClosed(&s.Breakers[i])
	}
	t.Rate, t.NowRate, t.FailedRate, t.RefusedRate = digits(t.Rate), digits(t.NowRate), digits(t.FailedRate), digits(t.RefusedRate)
	return t
}

func notClosed(b *adminapi.Breaker) (n int) {
	if !b.Group {
		return map[bool]int{true: 1}[b.State != breaker.StateClosed.String()]
	}
	for i := range b.Members {
		n += notClosed(&b.Members[i])
	}
	return n
}

func frameMemory(m *adminapi.Memory) adminapi.FrameMemory {
	f := adminapi.FrameMemory{
		Level: m.Level, Measured: m.Measured, Since: m.Since, Cause: m.Cause, Stale: m.Stale, HeapLive: m.Heap.Live, GCCPU: digits(m.Heap.GCCPU),
		Simulated: m.Simulation.Level, Thresholds: []float64{},
	}
	if len(m.Limits) > 0 {
		l := &m.Limits[0]
		f.Source, f.Used, f.Limit, f.Ratio = l.Source, l.Used, l.Limit, digits(l.Ratio)
	}
	for i := range m.Priorities {
		f.Refused += m.Priorities[i].Shed
	}
	for i := range m.Levels {
		f.Thresholds = append(f.Thresholds, m.Levels[i].Enter)
	}
	return f
}

func frameHealth(report *health.Report) adminapi.FrameHealth {
	f := adminapi.FrameHealth{Status: report.Status.String(), Live: report.Live, Roots: []adminapi.FrameCheck{}}
	impacts := map[string][]string{}
	for i := range report.Components {
		c := &report.Components[i]
		if c.Check == nil {
			continue
		}
		f.Checks++
		switch c.Status {
		case health.Fail:
			f.Failed++
		case health.Warn:
			f.Warned++
		default:
			continue
		}
		for _, cause := range c.Causes {
			impacts[cause] = append(impacts[cause], c.Name)
		}
		if !c.Impacted && len(f.Roots) < shownRoots {
			f.Roots = append(f.Roots, adminapi.FrameCheck{Name: c.Name, Status: c.Status.String(), Since: c.Since, Output: c.Output, Criticality: c.Criticality.String()})
		}
	}
	for i := range f.Roots {
		f.Roots[i].Impacts = nonNil(impacts[f.Roots[i].Name])
	}
	return f
}

func (a *api) frameAlerts() adminapi.FrameAlerts {
	m := a.layer.Performance()
	f := adminapi.FrameAlerts{Silences: len(m.Silences()), Shown: []adminapi.FrameAlert{}}
	for _, alert := range m.Alerts() {
		switch alert.State {
		case perf.Firing:
			f.Firing++
		case perf.Silenced:
			f.Silenced++
		case perf.Suppressed:
			f.Suppressed++
		case perf.Resolved:
			continue
		}
		if len(f.Shown) < shownFrameAlerts {
			f.Shown = append(f.Shown, adminapi.FrameAlert{
				Operation: alert.Operation, Kind: alert.Kind.String(), State: alert.State.String(), Severity: string(alert.Severity()), Text: alert.Text, Since: alert.Since,
			})
		}
	}
	return f
}

// frameOverrides lists what somebody has taken in hand, the newest first.
func frameOverrides(s *adminapi.Status) []adminapi.FrameOverride {
	all := []adminapi.FrameOverride{}
	if o := &s.LogLevel; o.Level != o.Configured {
		all = append(all, adminapi.FrameOverride{Kind: "log_level", State: o.Level, Actor: o.Actor, Reason: o.Reason, Since: o.Since, Until: o.Until})
	}
	if m := &s.Memory.Simulation; m.Level != "" {
		all = append(all, adminapi.FrameOverride{Kind: "memory", State: m.Level, Actor: m.Actor, Reason: m.Reason, Until: m.Until})
	}
	for i := range s.Breakers {
		forced := s.Breakers[i : i+1]
		if s.Breakers[i].Group {
			forced = s.Breakers[i].Members
		}
		for k := range forced {
			if b := &forced[k]; b.Override.State != "" {
				o := &b.Override
				all = append(all, adminapi.FrameOverride{Kind: "breaker", Name: b.Name, Member: b.Member, State: o.State, Actor: o.Actor, Reason: o.Reason, Since: o.Since, Until: o.Until})
			}
		}
	}
	slices.SortStableFunc(all, func(x, y adminapi.FrameOverride) int { return y.Since.Compare(x.Since) })
	return all[:min(len(all), shownOverrides)]
}

func failing(services []adminapi.Service) []string {
	names := []string{}
	for i := range services {
		if s := &services[i]; s.State == "failed" || s.State == "backing_off" {
			names = append(names, s.Name)
		}
	}
	return names
}

// switches are those of the program.
func (a *api) switches() []adminapi.Switch {
	if a.options.Program.Switches == nil {
		return []adminapi.Switch{}
	}
	return nonNil(a.options.Program.Switches())
}
