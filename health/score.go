package health

import (
	"cmp"
	"fmt"
	"slices"
)

// Deduction is what one component costs the score.
type Deduction struct {
	Component string
	Points    int
	// Why is the rule, as in "hard, fail".
	Why string
}

// Text is the deduction in words, as in "orders_db −70: hard, fail".
func (d Deduction) Text() string { return fmt.Sprintf("%s −%d: %s", d.Component, d.Points, d.Why) }

const fullScore = 100

// The most that a class of deductions takes together, so that the score and the status do
// not contradict each other: many warnings are no outage, and what is optional costs little.
const (
	mostMild     = 69 // all but failures of what is hard
	mostOptional = 10
)

// points are the deductions of one component.
var points = map[Criticality]map[Status]int{
	Hard:     {Fail: 70, Warn: 20, Unknown: 20},
	Soft:     {Fail: 30, Warn: 10, Unknown: 10},
	Optional: {Fail: 5, Warn: 2, Unknown: 1},
}

// score lists what components cost. A component that is impacted costs nothing; its first
// root cause costs what the most costly of those that it impacts would.
func score(components []Component) (left int, list []Deduction) {
	due := make(map[string]deduction)
	for _, c := range components {
		if n := points[c.Criticality][c.Status]; n > 0 {
			name := c.Name
			if c.Impacted {
				name = c.Causes[0]
			}
			if n > due[name].points {
				due[name] = deduction{name: name, points: n, class: c, through: c.Name}
			}
		}
	}
	all := make([]deduction, 0, len(due))
	for _, d := range due {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b deduction) int {
		return cmp.Or(cmp.Compare(b.points, a.points), cmp.Compare(a.name, b.name))
	})
	return settle(all)
}

type deduction struct {
	name    string
	points  int
	class   Component // whose criticality and status decide
	through string
}

func (d deduction) why() string {
	text := d.class.Criticality.String() + ", " + d.class.Status.String()
	if d.through != d.name {
		text = "impacts " + d.through + ": " + text
	}
	return text
}

// settle takes the deductions, the largest first, as far as the bounds of their class allow.
func settle(all []deduction) (left int, list []Deduction) {
	left = fullScore
	mild, optional := mostMild, mostOptional
	for _, d := range all {
		n := min(d.points, left)
		if d.class.Criticality == Optional {
			n = min(n, optional)
			optional -= n
		}
		if d.class.Criticality != Hard || d.class.Status != Fail {
			n = min(n, mild)
			mild -= n
		}
		why := d.why()
		if n < d.points {
			why += fmt.Sprintf(" (%d of %d: the bound of its class)", n, d.points)
		}
		left -= n
		list = append(list, Deduction{Component: d.name, Points: n, Why: why})
	}
	return left, list
}
