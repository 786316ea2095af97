package admin

import (
	"math"
	"slices"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/perf"
)

// What is known of late: the last minute, and what was usual in the ten minutes before it.
const (
	recentWindow = time.Minute
	usualWindow  = 10 * time.Minute
	// sinceWindow is how far back the beginning of a trouble is looked for.
	sinceWindow = time.Hour
)

// recents is what the monitor knows of the operations of late, by name; nil while it does not
// run.
type recents struct {
	monitor *perf.Monitor
	of      map[string]*perf.OperationStatus
}

func (a *api) recents() recents {
	m := a.layer.Performance()
	if !m.Status().Running {
		return recents{}
	}
	all := m.Operations(recentWindow)
	r := recents{m, make(map[string]*perf.OperationStatus, len(all))}
	for i := range all {
		r.of[all[i].Name] = &all[i]
	}
	return r
}

// routeOperation begins the names of the operations of routes.
const routeOperation = "route:"

// guard tells what a guard did of late.
func (r recents) guard(g *adminapi.Guard) adminapi.Recent {
	s := r.of[g.Name]
	if r.monitor == nil {
		return adminapi.Recent{
			Source: sourceStart, Calls: g.Succeeded + g.Failed + g.TimedOut + g.Canceled + g.Ignored + g.Refused, Succeeded: g.Succeeded, Failed: g.Failed,
			TimedOut: g.TimedOut, Canceled: g.Canceled, Refused: g.Refused, RefusedBy: g.RefusedBy, FailedBy: map[string]uint64{},
			IgnoredBy: map[string]uint64{"ignored": g.Ignored}, Requests: map[string]uint64{}, P50Seconds: g.P50Seconds, P99Seconds: g.P99Seconds,
		}
	}
	v := recentOf(s)
	if s != nil {
		w := s.Window
		v.Calls, v.Refused, v.Failed = w.Calls()+w.Ignored+w.Refused, w.Refused, w.Failed-min(w.Failed, v.TimedOut)
	}
	return r.judged(v, s)
}

// route tells what a route did of late. The monitor counts its requests as their clients see
// them: a refusal that is answered with 503 has failed, others are refused.
func (r recents) route(t *adminapi.Route) adminapi.Recent {
	if r.monitor == nil {
		v := adminapi.Recent{Source: sourceStart, Refused: t.Refused, RefusedBy: t.RefusedBy, FailedBy: map[string]uint64{}, IgnoredBy: map[string]uint64{}, Requests: nonNilMap(t.Requests), Canceled: t.Requests["canceled"]}
		for class, n := range t.Requests {
			v.Calls += n
			if class == "2xx" || class == "3xx" {
				v.Succeeded += n
			}
		}
		for _, f := range t.Failures {
			v.FailedBy[f.Class], v.Failed = f.Count, v.Failed+f.Count
		}
		return v
	}
	s := r.of[routeOperation+t.Name]
	v := recentOf(s)
	if s != nil {
		w, refused := s.Window, uint64(0)
		for code, n := range v.RefusedBy {
			if v.Refused += n; statusOf(code) >= 500 {
				refused += n
			}
		}
		v.TimedOut = v.FailedBy["timeout"]
		v.Calls, v.Failed = w.Calls()+w.Ignored+w.Refused, w.Failed-min(w.Failed, refused+v.TimedOut)
	}
	return r.judged(v, s)
}

// statusOf is the status that a refusal with this code is answered with.
func statusOf(code string) int {
	for _, c := range fault.Codes() {
		if c.String() == code {
			return c.HTTPStatus()
		}
	}
	return 0
}

// recentOf is what the monitor itself knows; nil is an operation that it does not.
func recentOf(s *perf.OperationStatus) adminapi.Recent {
	v := adminapi.Recent{Source: sourceMinute, RefusedBy: map[string]uint64{}, FailedBy: map[string]uint64{}, IgnoredBy: map[string]uint64{}, Requests: map[string]uint64{}}
	if s == nil {
		return v
	}
	w := s.Window
	v.WindowSeconds, v.Succeeded = w.To.Sub(w.From).Seconds(), w.Succeeded
	v.P50Seconds, v.P90Seconds, v.P99Seconds = w.Quantile(0.5).Seconds(), w.Quantile(0.9).Seconds(), w.Quantile(0.99).Seconds()
	for _, reason := range s.Reasons {
		switch {
		case reason.Of == "refused":
			v.RefusedBy[reason.Name] = reason.Calls
		case reason.Name == fault.CallTimeout.String():
			v.TimedOut = reason.Calls
		case reason.Of == "failed":
			v.FailedBy[reason.Name] = reason.Calls
		case reason.Of == "status":
			v.Requests[reason.Name] = reason.Calls
		case reason.Name == fault.Canceled.String():
			v.Canceled = reason.Calls
		default:
			v.IgnoredBy[reason.Name] = reason.Calls
		}
	}
	return v
}

// judged adds the pace, what is usual, and what is wrong since when.
func (r recents) judged(v adminapi.Recent, s *perf.OperationStatus) adminapi.Recent {
	if v.WindowSeconds > 0 {
		v.Rate = float64(v.Calls) / v.WindowSeconds
	}
	if s == nil {
		return v
	}
	if v.Succeeded >= slowCalls {
		usual, err := r.monitor.Window(s.Name, s.Window.From.Add(-usualWindow), s.Window.From)
		if err == nil && usual.Measured() >= slowCalls && !usual.To.After(s.Window.From) {
			v.UsualP90Seconds = usual.Quantile(0.9).Seconds()
		}
	}
	if judgeRecent(&v); v.Trouble == "" {
		return v
	}
	v.Since = r.since(s.Name, v.Trouble, s.Window)
	v.SinceSeconds = elapsed(v.Since)
	return v
}

// since finds when a trouble began: to ten seconds, and to the second if that was of late.
func (r recents) since(name, trouble string, w *perf.Snapshot) time.Time {
	at := r.beginning(name, trouble, w.To.Add(-sinceWindow), w.To, 10*time.Second)
	if at.IsZero() || w.To.Sub(at) > 4*time.Minute {
		return at
	}
	if exact := r.beginning(name, trouble, at, w.To, time.Second); !exact.IsZero() {
		return exact
	}
	return at
}

func (r recents) beginning(name, trouble string, from, to time.Time, step time.Duration) time.Time {
	s, err := r.monitor.Series(name, from, to, step, "calls", "failed", "ignored", "refused", "p90")
	if err != nil {
		return time.Time{}
	}
	points := make([]point, len(s.Times))
	for i := range points {
		v := func(k int) float64 {
			if math.IsNaN(s.Values[k][i]) {
				return 0
			}
			return s.Values[k][i]
		}
		points[i] = point{at: s.Times[i], calls: v(0) + v(2) + v(3), p90: v(4)}
		switch trouble {
		case troubleFull, troubleRefuses:
			points[i].bad = v(1) + v(3) // what a route refuses has failed
		case troubleFails:
			points[i].bad = v(1)
		case troubleLeave:
			points[i].bad = v(2)
		}
	}
	return begun(points, trouble)
}

// point is what happened in a step of time.
type point struct {
	at         time.Time
	calls, bad float64
	p90        float64
}

// calmPoints is how many steps with calls and without trouble come before a beginning.
const calmPoints = 3

// begun finds when a trouble began that is there at the last of the points: with the first of
// those that are in trouble, counted back until there was none for some time. Steps without
// calls say nothing.
func begun(points []point, trouble string) (at time.Time) {
	calm := 0
	for i := len(points) - 1; i >= 0 && calm < calmPoints; i-- {
		switch p := &points[i]; {
		case p.calls == 0:
		case p.troubled(trouble, latest(points)):
			at, calm = p.at, 0
		default:
			calm++
		}
	}
	return at
}

// latest is the last p90 that there is.
func latest(points []point) float64 {
	for _, p := range slices.Backward(points) {
		if p.p90 > 0 {
			return p.p90
		}
	}
	return 0
}

func (p *point) troubled(trouble string, last float64) bool {
	switch trouble {
	case troubleFails:
		return p.bad >= failedShare*p.calls
	case troubleLeave:
		return p.bad >= leftShare*p.calls
	case troubleSlow:
		return last > 0 && p.p90 >= last/2
	}
	return p.bad >= refusedShare*p.calls
}
