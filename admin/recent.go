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
	of      map[string]*glance
	memo    *memo // what was found at the look before; nil without one
}

// glance is what an operation did in the last minute, without its histogram: an operation has
// 8 KiB of that, and there are thousands.
type glance struct {
	perf.Counts

	name               string
	from, to           time.Time
	p50, p90, p95, p99 float64
	latest             perf.Counts
	reasons            []perf.ReasonCount
}

func (a *api) recents() recents { return a.recentsWith(nil) }

func (a *api) recentsWith(m *memo) recents {
	r := recents{monitor: a.layer.Performance(), of: map[string]*glance{}, memo: m}
	if !r.monitor.Status().Running {
		return recents{}
	}
	r.monitor.EachOperation(recentWindow, func(s *perf.OperationStatus) {
		w := s.Window
		q := func(share float64) float64 { return w.Quantile(share).Seconds() }
		r.of[s.Name] = &glance{
			Counts: w.Counts, name: s.Name, from: w.From, to: w.To, p50: q(0.5), p90: q(0.9), p95: q(0.95), p99: q(0.99), latest: s.Latest, reasons: s.Reasons,
		}
	})
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
		v.Calls, v.Refused, v.Failed = s.came(), s.Refused, s.Failed-min(s.Failed, v.TimedOut)
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
		refused := uint64(0)
		for code, n := range v.RefusedBy {
			if v.Refused += n; statusOf(code) >= 500 {
				refused += n
			}
		}
		v.TimedOut = v.FailedBy["timeout"]
		v.Calls, v.Failed = s.came(), s.Failed-min(s.Failed, refused+v.TimedOut)
	}
	return r.judged(v, s)
}

// came is how many calls there were, however they ended.
func (s *glance) came() uint64 { return s.Calls() + s.Ignored + s.Refused }

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
func recentOf(s *glance) adminapi.Recent {
	v := adminapi.Recent{Source: sourceMinute, RefusedBy: map[string]uint64{}, FailedBy: map[string]uint64{}, IgnoredBy: map[string]uint64{}, Requests: map[string]uint64{}}
	if s == nil {
		return v
	}
	v.WindowSeconds, v.Succeeded = s.to.Sub(s.from).Seconds(), s.Succeeded
	v.P50Seconds, v.P90Seconds, v.P99Seconds = s.p50, s.p90, s.p99
	for _, reason := range s.reasons {
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
func (r recents) judged(v adminapi.Recent, s *glance) adminapi.Recent {
	if v.WindowSeconds > 0 {
		v.Rate = float64(v.Calls) / v.WindowSeconds
	}
	if s == nil {
		return v
	}
	if v.Succeeded >= slowCalls {
		v.UsualP90Seconds = r.memo.usual(s, r.usual)
	}
	judgeRecent(&v)
	v.Since = r.memo.since(s, v.Trouble, r.since)
	v.SinceSeconds = elapsed(v.Since)
	return v
}

// usual is p90 in the ten minutes before the last one; 0 if it had too few calls.
func (r recents) usual(s *glance) float64 {
	usual, err := r.monitor.Window(s.name, s.from.Add(-usualWindow), s.from)
	if err != nil || usual.Measured() < slowCalls || usual.To.After(s.from) {
		return 0
	}
	return usual.Quantile(0.9).Seconds()
}

// since finds when a trouble began: to ten seconds, and to the second if that was of late.
func (r recents) since(s *glance, trouble string) time.Time {
	at := r.beginning(s.name, trouble, s.to.Add(-sinceWindow), s.to, 10*time.Second)
	if at.IsZero() || s.to.Sub(at) > 4*time.Minute {
		return at
	}
	if exact := r.beginning(s.name, trouble, at, s.to, time.Second); !exact.IsZero() {
		return exact
	}
	return at
}

func (r recents) beginning(name, trouble string, from, to time.Time, step time.Duration) time.Time {
	measures := []string{"calls", "failed", "ignored", "refused"}
	if trouble == troubleSlow { // durations take most of the time that a series takes
		measures = append(measures, "p90")
	}
	s, err := r.monitor.Series(name, from, to, step, measures...)
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
		points[i] = point{at: s.Times[i], calls: v(0) + v(2) + v(3)}
		switch trouble {
		case troubleSlow:
			points[i].p90 = v(4)
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
	calm, last := 0, latest(points)
	for i := len(points) - 1; i >= 0 && calm < calmPoints; i-- {
		switch p := &points[i]; {
		case p.calls == 0:
		case p.troubled(trouble, last):
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

// memo remembers from one look to the next what is dear to find and changes seldom. It is for
// whoever looks again and again without a pause, and not safe for concurrent use; nil remembers
// nothing.
type memo struct{ of map[string]*remembered }

type remembered struct {
	usualFrom time.Time // the beginning of the minute that usual is told beside
	usualP90  float64
	trouble   string
	since     time.Time
}

func newMemo() *memo { return &memo{map[string]*remembered{}} }

func (m *memo) operation(name string) *remembered {
	o := m.of[name]
	if o == nil {
		o = new(remembered)
		m.of[name] = o
	}
	return o
}

// usual finds what was usual anew when a step of ten seconds is over.
func (m *memo) usual(s *glance, find func(*glance) float64) float64 {
	if m == nil {
		return find(s)
	}
	o := m.operation(s.name)
	if !o.usualFrom.Equal(s.from) {
		o.usualFrom, o.usualP90 = s.from, find(s)
	}
	return o.usualP90
}

// since finds when a trouble began; one that lasts from look to look began when it did.
func (m *memo) since(s *glance, trouble string, find func(*glance, string) time.Time) time.Time {
	if m == nil && trouble == "" {
		return time.Time{}
	}
	if m == nil {
		return find(s, trouble)
	}
	o := m.operation(s.name)
	if o.trouble != trouble || o.since.IsZero() {
		o.trouble, o.since = trouble, time.Time{}
		if trouble != "" {
			o.since = find(s, trouble)
		}
	}
	return o.since
}
