package simulate

import (
	"slices"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// Outcome is what a detector made of one incident.
type Outcome struct {
	Incident
	Found bool
	Delay int // ticks of the incident that it took, the one that triggered included
}

// Result is how a detector did on one service.
type Result struct {
	Profile  string
	Days     int
	Outcomes []Outcome
	False    [detect.Kinds]int // alerts that no incident explains
}

// grace is how many ticks after an incident an alert may still belong to it.
const grace = 5

// Run simulates a service with a plan of incidents under the thresholds of c.
func Run(p *Profile, c *detect.Config, days int, seed uint64, plan []Incident) Result {
	s := NewService(p, seed)
	op := detect.NewOperation(c, Bounds())
	res := Result{Profile: p.Name, Days: days}
	for _, i := range plan {
		res.Outcomes = append(res.Outcomes, Outcome{Incident: i})
	}
	current := 0
	for n := range days * Day {
		for current < len(plan) && n >= plan[current].End()+Day/24 {
			current++
		}
		var load Load
		if current < len(plan) {
			load = plan[current].At(n)
		}
		for kind, d := range op.Observe(s.Next(load)) {
			if d.Change != detect.Triggered {
				continue
			}
			if current >= len(plan) || !res.Outcomes[current].explains(n, detect.Kind(kind)) {
				res.False[kind]++
			}
		}
	}
	return res
}

// explains reports whether the incident accounts for an alert, and notes the first.
func (o *Outcome) explains(tick int, kind detect.Kind) bool {
	if tick < o.Start {
		return false
	}
	// A shift that ends after it was accepted is a shift of its own: back.
	if tick >= o.End()+grace && o.Kind != DeployShift {
		return false
	}
	if kind != o.Watched() {
		return false
	}
	if !o.Found && tick < o.End()+grace {
		o.Found, o.Delay = true, max(1, tick-o.Onset()+1)
	}
	return true
}

// Summary condenses outcomes.
type Summary struct {
	Incidents, Found int
	P50, P95         int // delay in ticks
}

// Summarize returns the summary of those outcomes that match.
func Summarize(outcomes []Outcome, match func(*Outcome) bool) Summary {
	var s Summary
	var delays []int
	for i := range outcomes {
		o := &outcomes[i]
		if !match(o) {
			continue
		}
		s.Incidents++
		if o.Found {
			s.Found++
			delays = append(delays, o.Delay)
		}
	}
	slices.Sort(delays)
	if n := len(delays); n > 0 {
		s.P50, s.P95 = delays[(n-1)/2], delays[(n-1)*95/100]
	}
	return s
}

// Recall is the share of incidents that were found.
func (s *Summary) Recall() float64 { return float64(s.Found) / float64(max(s.Incidents, 1)) }
