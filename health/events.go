package health

import (
	"cmp"
	"slices"
	"strings"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// StatusChanged says that a check, or the whole, has come into another status.
type StatusChanged struct {
	Component string // the check; empty for the whole
	From, To  Status
	Output    string   // why it is not well
	Impacted  bool     // it is not well because of others, which Causes names
	Causes    []string //
	Flapping  bool     // its results keep changing: further changes for the better are not told
	Score     int      // of the whole
}

// whole is the name of the whole in events.
const whole = "health"

// EventName implements [telemetry.Event].
func (StatusChanged) EventName() string {
	return telemetry.Prefix + "health_aggregator.status_changed"
}

// Edge implements [telemetry.Edge]. What is impacted is not reported as a failure of its own.
func (e StatusChanged) Edge() (string, fault.Severity) {
	severity := fault.SeverityInfo
	switch {
	case e.Impacted:
	case e.To == Fail:
		severity = fault.SeverityError
	case e.To == Warn || e.Flapping || e.To == Unknown:
		severity = fault.SeverityWarning
	}
	return cmp.Or(e.Component, whole), severity
}

// summary names what is wrong first: the root causes.
func (r *Report) summary() string {
	var all []string
	for _, c := range r.Components {
		if (c.Status == Warn || c.Status == Fail) && !c.Impacted && len(all) < 3 {
			all = append(all, c.Name+": "+c.Output)
		}
	}
	return strings.Join(all, "; ")
}

// statusValues are the statuses as numbers of a metric, from bad to good.
var statusValues = []Status{Unknown, Fail, Warn, Pass}

func statusValue(s Status) float64 { return float64(slices.Index(statusValues, s)) }

const statusHelp = "0 unknown, 1 fail, 2 warn, 3 pass."

var (
	statusDesc   = telemetry.Desc{Name: "foundation_health_status", Help: "How the whole is: " + statusHelp, Kind: telemetry.Gauge}
	scoreDesc    = telemetry.Desc{Name: "foundation_health_score", Help: "The score, from 0 to 100.", Kind: telemetry.Gauge}
	readyDesc    = telemetry.Desc{Name: "foundation_health_ready", Help: "Whether the checks and the drain let the instance be ready.", Kind: telemetry.Gauge}
	liveDesc     = telemetry.Desc{Name: "foundation_health_live", Help: "Whether the checks let the instance be alive.", Kind: telemetry.Gauge}
	checkDesc    = telemetry.Desc{Name: "foundation_health_check_status", Help: "How a check is: " + statusHelp, Kind: telemetry.Gauge, Labels: []string{"check"}}
	runsDesc     = telemetry.Desc{Name: "foundation_health_check_runs_total", Help: "Results of a check.", Kind: telemetry.Counter, Labels: []string{"check", "outcome"}}
	lateDesc     = telemetry.Desc{Name: "foundation_health_check_late_total", Help: "Runs of a check that returned after they were given up.", Kind: telemetry.Counter, Labels: []string{"check"}}
	tookDesc     = telemetry.Desc{Name: "foundation_health_check_duration_seconds", Help: "How long the last run of a check took.", Kind: telemetry.Gauge, Labels: []string{"check"}}
	flappingDesc = telemetry.Desc{Name: "foundation_health_check_flapping", Help: "Whether the results of a check keep changing.", Kind: telemetry.Gauge, Labels: []string{"check"}}
	hangingDesc  = telemetry.Desc{Name: "foundation_health_check_hanging", Help: "Whether a run of a check ignores its context and has not returned.", Kind: telemetry.Gauge, Labels: []string{"check"}}
	impactedDesc = telemetry.Desc{Name: "foundation_health_check_impacted", Help: "Whether a check is not well because of another.", Kind: telemetry.Gauge, Labels: []string{"check"}}
)

var _ telemetry.Source = (*Aggregator)(nil)

// Collect implements [telemetry.Source].
func (a *Aggregator) Collect(emit func(telemetry.Sample)) {
	r := a.Report()
	emit(telemetry.Sample{Desc: &statusDesc, Value: statusValue(r.Status)})
	emit(telemetry.Sample{Desc: &scoreDesc, Value: float64(r.Score)})
	emit(telemetry.Sample{Desc: &readyDesc, Value: flag(r.Ready)})
	emit(telemetry.Sample{Desc: &liveDesc, Value: flag(r.Live)})
	for i := range r.Components {
		if c := &r.Components[i]; c.Check != nil {
			c.collect(emit)
		}
	}
}

func (c *Component) collect(emit func(telemetry.Sample)) {
	name := []string{c.Name}
	emit(telemetry.Sample{Desc: &checkDesc, Labels: name, Value: statusValue(c.Status)})
	for o := Passed; o <= Hung; o++ {
		emit(telemetry.Sample{Desc: &runsDesc, Labels: []string{c.Name, o.String()}, Value: float64(c.Check.Runs[o])})
	}
	emit(telemetry.Sample{Desc: &lateDesc, Labels: name, Value: float64(c.Check.Late)})
	emit(telemetry.Sample{Desc: &tookDesc, Labels: name, Value: c.Check.Took.Seconds()})
	emit(telemetry.Sample{Desc: &flappingDesc, Labels: name, Value: flag(c.Check.Flapping)})
	emit(telemetry.Sample{Desc: &hangingDesc, Labels: name, Value: flag(c.Check.Hanging)})
	emit(telemetry.Sample{Desc: &impactedDesc, Labels: name, Value: flag(c.Impacted)})
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
