package perf

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// AlertTriggered says that an operation deviates.
type AlertTriggered struct {
	Operation string
	Kind      string // "latency", "errors", "throughput" or "objective"
	Cause     string // "baseline", "threshold" or "objective"
	Measure   string
	Seen      float64 // in seconds, as a share, in calls a second, or as a burn rate
	Against   float64 // the same of what it is compared with
	Since     time.Time
	Calls     uint64 // since then
	Text      string
	Silenced  bool // nobody is called
	Severe    bool
}

// EventName implements [telemetry.Event].
func (AlertTriggered) EventName() string {
	return telemetry.Prefix + "performance_monitor.alert_triggered"
}

// Edge implements [telemetry.Edge].
func (e AlertTriggered) Edge() (string, fault.Severity) {
	switch {
	case e.Silenced:
		return e.Operation, fault.SeverityInfo
	case e.Severe:
		return e.Operation, fault.SeverityError
	}
	return e.Operation, fault.SeverityWarning
}

// AlertResolved says that an operation is back to normal, or that what it does now is.
type AlertResolved struct {
	Operation string
	Kind      string
	Cause     string
	Measure   string
	Seen      float64 // when it was last seen to deviate
	Against   float64
	Since     time.Time
	Lasted    time.Duration // from Since on
	Calls     uint64
	Accepted  bool // what was seen has lasted and is normal now
	Text      string
}

// EventName implements [telemetry.Event].
func (AlertResolved) EventName() string {
	return telemetry.Prefix + "performance_monitor.alert_resolved"
}

// Edge implements [telemetry.Edge].
func (e AlertResolved) Edge() (string, fault.Severity) { return e.Operation, fault.SeverityInfo }

// AlertSilenced says that somebody has made a silence, or ended one.
type AlertSilenced struct {
	Operation string
	Kind      string // empty: all kinds
	Actor     string
	Reason    string
	Until     time.Time
}

// EventName implements [telemetry.Event].
func (AlertSilenced) EventName() string {
	return telemetry.Prefix + "performance_monitor.alert_silenced"
}

// Edge implements [telemetry.Edge].
func (e AlertSilenced) Edge() (string, fault.Severity) { return e.Operation, fault.SeverityInfo }

// topics are those that a monitor emits on.
type topics struct {
	triggered telemetry.Topic[AlertTriggered]
	resolved  telemetry.Topic[AlertResolved]
	silenced  telemetry.Topic[AlertSilenced]
}

func topicsOf(b *telemetry.Bus) topics {
	return topics{telemetry.TopicOf[AlertTriggered](b), telemetry.TopicOf[AlertResolved](b), telemetry.TopicOf[AlertSilenced](b)}
}

func triggered(a *Alert) AlertTriggered {
	return AlertTriggered{
		Operation: a.Operation, Kind: a.Kind.String(), Cause: a.Cause.String(), Measure: a.Measure, Seen: a.Seen, Against: a.Against,
		Since: a.Since, Calls: a.Calls, Text: a.Text, Silenced: a.State == Silenced, Severe: a.Severe,
	}
}

func resolved(a *Alert) AlertResolved {
	return AlertResolved{
		Operation: a.Operation, Kind: a.Kind.String(), Cause: a.Cause.String(), Measure: a.Measure, Seen: a.Seen, Against: a.Against,
		Since: a.Since, Lasted: a.ResolvedAt.Sub(a.Since), Calls: a.Calls, Accepted: a.Accepted, Text: a.Text,
	}
}
