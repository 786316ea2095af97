package health

import (
	"cmp"
	"slices"
	"time"
)

// Component is a check, or a part of the program, at one moment.
type Component struct {
	// Name is that of a check, or of a part with its section, as in "breakers/payments".
	Name        string
	Status      Status
	Since       time.Time // when it came into this status; the zero time where that is not known
	Criticality Criticality
	Readiness   bool // while it fails the instance is not ready
	Liveness    bool // while it fails the instance is to be restarted
	DependsOn   []string
	Groups      []string
	// Output says in words why it is not well, empty if it is.
	Output string
	// See is the command of the binary that tells more, without the program's name.
	See string

	// Impacted, Causes and Check are filled in by the report and ignored before.

	// Impacted is set where what the component depends on is not well: Causes are those of
	// its dependencies, direct or not, that depend on nothing which is not well.
	Impacted bool
	Causes   []string
	// Check tells of the runs of a check; nil for a part.
	Check *CheckStatus
}

// CheckStatus tells how the runs of a check went.
type CheckStatus struct {
	Every, Timeout time.Duration
	// Outcome is how the last run ended, and Took how long that took; At is when. While a run
	// hangs they are those of the run that hangs.
	Outcome Outcome
	At      time.Time
	Took    time.Duration
	// Row is how many results in a row were like the last one.
	Row int
	// Flapping says that the results change too often, Changed how often in percent.
	Flapping bool
	Changed  float64
	// Stale says that the last result is too old, which makes the status unknown.
	Stale bool
	// Hanging says that a run has ignored its context and not returned; the check is not
	// started again meanwhile.
	Hanging bool
	// Runs are the results by outcome. Late are the runs that returned after they were given
	// up, and whose result was discarded.
	Runs map[Outcome]uint64
	Late uint64
}

// Report is how everything is at one moment. It is shared: nobody may change it.
type Report struct {
	At     time.Time
	Status Status
	// Score is from 0 to 100: what is left after Deductions. It is at most 30 where the
	// status is fail, above that where it is not, and at least 90 where it is pass.
	Score      int
	Deductions []Deduction
	// Ready and Live answer readiness and liveness; NotReady and NotLive say why not.
	Ready, Live       bool
	NotReady, NotLive []string
	// Started says that every check that decides over readiness has had its first result.
	Started bool
	// Components are what is not well first, each root cause before what it impacts.
	Components []Component
	Groups     []string // the names of all groups, in order
}

// Find returns the component of a name.
func (r *Report) Find(name string) (Component, bool) {
	for _, c := range r.Components {
		if c.Name == name {
			return c, true
		}
	}
	return Component{}, false
}

// Group returns the report of one group alone: its members, with the causes of those that
// are not well, also where they are not in the group. It is false if there is no such group.
// Ready, Live and Started are those of the whole.
func (r *Report) Group(name string) (*Report, bool) {
	if !slices.Contains(r.Groups, name) {
		return nil, false
	}
	g := *r
	var members []Component
	causes := make(map[string]bool)
	for _, c := range r.Components {
		if slices.Contains(c.Groups, name) {
			members = append(members, c)
			for _, cause := range c.Causes {
				causes[cause] = true
			}
		}
	}
	g.Status = statusOf(members)
	g.Score, g.Deductions = score(members)
	g.Components = slices.DeleteFunc(slices.Clone(r.Components), func(c Component) bool {
		return !slices.Contains(c.Groups, name) && !causes[c.Name]
	})
	return &g, true
}

// evaluate makes the report of components.
func evaluate(components []Component, last map[string]bool, now time.Time, draining bool) *Report {
	relate(components, last)
	r := &Report{At: now, Status: statusOf(components), Ready: true, Live: true, Started: true, Components: components}
	r.Score, r.Deductions = score(components)
	if draining {
		r.Ready, r.NotReady = false, append(r.NotReady, saysDraining)
	}
	for _, c := range components {
		r.gate(c)
		for _, g := range c.Groups {
			if !slices.Contains(r.Groups, g) {
				r.Groups = append(r.Groups, g)
			}
		}
	}
	slices.Sort(r.Groups)
	slices.SortStableFunc(components, worstFirst)
	return r
}

const saysDraining = "the instance is draining"

// gate lets a component decide over readiness and liveness. What is unknown because it has
// not run yet is not ready; what is unknown because its last result is too old decides
// nothing: the checks are at fault then, and not what they check.
func (r *Report) gate(c Component) {
	waits := c.Check != nil && c.Check.Outcome == NotRun
	if c.Readiness && waits {
		r.Ready, r.Started, r.NotReady = false, false, append(r.NotReady, c.Name+" has not been checked yet")
	}
	if c.Readiness && c.Status == Fail {
		r.Ready, r.NotReady = false, append(r.NotReady, c.Name+" fails")
	}
	if c.Liveness && c.Status == Fail {
		r.Live, r.NotLive = false, append(r.NotLive, c.Name+" fails")
	}
}

// statusOf is the status of the whole that consists of components.
func statusOf(components []Component) Status {
	worst, unknown := Pass, false
	for _, c := range components {
		switch {
		case c.Criticality == Optional:
		case c.Status == Fail && c.Criticality == Hard:
			return Fail
		case c.Status == Unknown:
			unknown = true
		case c.Status >= Warn:
			worst = Warn
		}
	}
	if worst == Pass && unknown {
		return Unknown
	}
	return worst
}

// order of statuses in a list.
var severity = map[Status]int{Fail: 0, Warn: 1, Unknown: 2, Pass: 3}

var weightOf = map[Criticality]int{Hard: 0, Soft: 1, Optional: 2}

func worstFirst(a, b Component) int {
	impacted := func(c Component) int {
		if c.Impacted {
			return 1
		}
		return 0
	}
	well := func(c Component) int { return severity[c.Status] / 3 }
	return cmp.Or(cmp.Compare(well(a), well(b)), cmp.Compare(impacted(a), impacted(b)), cmp.Compare(severity[a.Status], severity[b.Status]),
		cmp.Compare(weightOf[a.Criticality], weightOf[b.Criticality]), cmp.Compare(a.Name, b.Name))
}
