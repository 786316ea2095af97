package perf

import (
	"fmt"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/enum"
)

// Kind is what an operation is watched for. There is at most one alert of each kind for an
// operation at a time.
type Kind = enum.Of[kinds]

// The kinds of alert.
const (
	Latency       Kind = iota // calls take longer
	Errors                    // more of them fail
	Throughput                // there are fewer of them, or more than allowed
	ObjectiveKind             // an objective is used up too fast

	kindCount
)

var kindNames = []string{Latency: "latency", Errors: "errors", Throughput: "throughput", ObjectiveKind: "objective"}

// Kinds lists all kinds.
func Kinds() []Kind { return []Kind{Latency, Errors, Throughput, ObjectiveKind} }

type kinds struct{}

func (kinds) Names() (string, []string) { return "kind", kindNames }

// Cause says what an alert compares with.
type Cause = enum.Of[causes]

// The causes.
const (
	ByBaseline  Cause = iota // what is normal for the operation
	ByThreshold              // a bound that was set by hand
	ByObjective              // how fast the objective allows calls to break it
)

var causeNames = []string{ByBaseline: "baseline", ByThreshold: "threshold", ByObjective: "objective"}

type causes struct{}

func (causes) Names() (string, []string) { return "cause", causeNames }

// AlertState is where an alert stands.
type AlertState = enum.Of[alertStates]

// The states of an alert.
const (
	Firing     AlertState = iota
	Suppressed            // an operation that this one is a part of has the same alert
	Silenced              // somebody has said that it is known
	Resolved
)

var alertStateNames = []string{Firing: "firing", Suppressed: "suppressed", Silenced: "silenced", Resolved: "resolved"}

type alertStates struct{}

func (alertStates) Names() (string, []string) { return "alert state", alertStateNames }

// Alert is one deviation of an operation, with the numbers that decided.
type Alert struct {
	Operation string
	Kind      Kind
	State     AlertState
	// Severe tells alerts that want somebody now from those that can wait for the day: those
	// of a slow burn, and of throughput.
	Severe bool
	Cause  Cause
	// Measure is what was seen: "latency", "p99", "errors", "rate", or of an objective
	// "success" or "latency". Seen and Against are in seconds, as a share of calls, in calls
	// a second, or of an objective how many times faster than allowed its budget is used up.
	Measure       string
	Seen, Against float64
	// Text says all of that in a sentence.
	Text string
	// Since is when the deviation began, TriggeredAt when it was certain, ResolvedAt when it
	// was over; zero while it is not.
	Since, TriggeredAt, ResolvedAt time.Time
	Calls                          uint64 // since Since
	// Accepted says that it ended because what was seen has lasted and is normal now.
	Accepted bool
	// SuppressedBy names the operation whose alert stands for this one.
	SuppressedBy string
	// Silence is why nobody is told, zero if somebody is.
	Silence Silence
}

// Severity is that of the alert's event.
func (a *Alert) Severity() fault.Severity {
	switch {
	case a.State == Resolved || a.State == Silenced:
		return fault.SeverityInfo
	case a.Severe:
		return fault.SeverityError
	}
	return fault.SeverityWarning
}

// alerting is what the monitor remembers of one kind of alert of one operation.
type alerting struct {
	on        bool // some detector says so
	announced bool // and everybody was told
	notified  bool // the webhook, too
	near      bool
	hot       bool // this tick was no better
	alert     Alert
}

// text renders a finding as a sentence.
func (f *finding) text() string {
	switch f.cause {
	case ByObjective:
		return fmt.Sprintf("calls break the objective of %s %.3g times as fast as it allows, over the last %v and the last %v; the limit is %.3g times",
			f.measure, f.seen, f.window, f.window/12, f.against)
	case ByThreshold:
		return fmt.Sprintf("%s %s, the bound is %s, in %d of %d ticks", f.measure, f.amount(f.seen), f.amount(f.against), f.ticks, f.of)
	}
	return fmt.Sprintf("%s %s, normal is %s", f.measure, f.amount(f.seen), f.amount(f.against))
}

// amount renders a number in the unit of what was measured.
func (f *finding) amount(v float64) string {
	switch f.measure {
	case "errors":
		return fmt.Sprintf("%.3g %%", 100*v)
	case "rate":
		return fmt.Sprintf("%.3g calls/s", v)
	}
	return shortDuration(time.Duration(v * float64(time.Second)))
}

// shortDuration keeps three digits.
func shortDuration(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

// take brings the alert in line with what the detectors say. It reports whether it has ended.
func (a *alerting) take(name string, k Kind, all []finding) (ended bool) {
	was := a.on
	a.on, a.near, a.hot = false, false, false
	var chosen *finding
	for i := range all {
		a.near = a.near || all[i].near
		a.hot = a.hot || all[i].firing && all[i].hot
		if all[i].firing && !a.on {
			a.on, chosen = true, &all[i]
		}
	}
	if !a.on {
		if was {
			for i := range all {
				a.alert.Accepted = a.alert.Accepted || all[i].accepted
			}
		}
		return was
	}
	if !was {
		a.alert = Alert{Operation: name, Kind: k}
	}
	f := chosen
	a.alert.Severe, a.alert.Cause, a.alert.Measure = f.severe, f.cause, f.measure
	a.alert.Seen, a.alert.Against, a.alert.Calls, a.alert.Text = f.seen, f.against, f.calls, f.text()
	if a.alert.Since.IsZero() || f.since.Before(a.alert.Since) && !f.since.IsZero() {
		a.alert.Since = f.since
	}
	return false
}
