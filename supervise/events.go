package supervise

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

const eventPrefix = telemetry.Prefix + "supervisor."

// ServiceStarted says that a service was started, for the first time or again.
type ServiceStarted struct {
	Service     string
	Incarnation uint64
	Recovered   uint64 // failures in a row before it
}

// ServiceFailed says that a service has ended by itself, or could not be stopped.
type ServiceFailed struct {
	Service     string
	Incarnation uint64
	Err         error
	Stack       string        // of a panic, else empty
	Ran         time.Duration // since it was started
	Final       bool          // it is not started again by itself
}

// ServiceBackoff says how long a service that has failed pauses.
type ServiceBackoff struct {
	Service  string
	Failures uint64 // in a row
	Pause    time.Duration
}

// Edge implements [telemetry.Edge].
func (e ServiceStarted) Edge() (string, fault.Severity) { return e.Service, fault.SeverityInfo }

// Edge implements [telemetry.Edge].
func (e ServiceFailed) Edge() (string, fault.Severity) { return e.Service, fault.SeverityError }

// Edge implements [telemetry.Edge].
func (e ServiceBackoff) Edge() (string, fault.Severity) { return e.Service, fault.SeverityInfo }

// EventName implements [telemetry.Event].
func (ServiceStarted) EventName() string { return eventPrefix + "service_started" }

// EventName implements [telemetry.Event].
func (ServiceFailed) EventName() string { return eventPrefix + "service_failed" }

// EventName implements [telemetry.Event].
func (ServiceBackoff) EventName() string { return eventPrefix + "service_backoff" }

var (
	upDesc = telemetry.Desc{
		Name: "foundation_service_up", Help: "Whether the service runs.", Kind: telemetry.Gauge, Labels: []string{"service"},
	}
	failuresDesc = telemetry.Desc{
		Name: "foundation_service_failures_total", Help: "How often the service has ended by itself.", Kind: telemetry.Counter, Labels: []string{"service"},
	}
)

// Collect implements [telemetry.Source].
func (t *Tree) Collect(emit func(telemetry.Sample)) {
	for _, s := range t.Status() {
		up := 0.0
		if s.State == Running {
			up = 1
		}
		emit(telemetry.Sample{Desc: &upDesc, Labels: []string{s.Name}, Value: up})
		emit(telemetry.Sample{Desc: &failuresDesc, Labels: []string{s.Name}, Value: float64(s.TotalFailures)})
	}
}
