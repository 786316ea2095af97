package supervise

import (
	"time"

	"github.com/elixirscope/foundation/internal/enum"
)

// State is what a service does now.
type State = enum.Of[states]

// The states of a service.
const (
	Starting   State = iota // it was started and has not said that it serves
	Running                 // it serves
	BackingOff              // it has failed and will be started again
	Stopped                 // it was stopped
	Failed                  // it has failed and is not started again by itself
	Completed               // it has done its work and is not started again by itself
)

type states struct{}

func (states) Names() (string, []string) { return "state", stateNames }

var stateNames = []string{"starting", "running", "backing_off", "stopped", "failed", "completed"}

// Status is a service at one moment.
type Status struct {
	Name  string
	State State
	Since time.Time // when it came into this state
	// Incarnation counts the calls of Serve; 1 is the first.
	Incarnation uint64
	// Failures are those in a row that its back-off goes by; TotalFailures are all.
	Failures, TotalFailures uint64
	// Err is the last failure, nil without one; FailedAt is when it was.
	Err      error
	FailedAt time.Time
	// Next is when a service that backs off is started again.
	Next time.Time
}

// The functions below are the whole of a service's life: each returns what becomes of a
// status when something happens to it. They change nothing and read no clock.

func (s Status) to(state State, now time.Time) Status {
	s.State, s.Since, s.Next = state, now, time.Time{}
	return s
}

// started is the beginning of a call of Serve.
func (s Status) started(spec Spec, now time.Time) Status {
	s.Incarnation++
	if spec.ReportsReady {
		return s.to(Starting, now)
	}
	return s.to(Running, now)
}

// ready is the report of an incarnation that it serves. One that is over has nothing to
// report any more.
func (s Status) ready(incarnation uint64, now time.Time) Status {
	if s.State != Starting || s.Incarnation != incarnation {
		return s
	}
	return s.to(Running, now)
}

// ended is the end of a call of Serve that nobody had asked for.
func (s Status) ended(spec Spec, e ending, random float64, now time.Time) Status {
	if e.err == nil {
		return s.to(Completed, now)
	}
	if s.State == Running && now.Sub(s.Since) >= spec.BackoffMax {
		s.Failures = 0
	}
	s.Failures++
	s.TotalFailures++
	s.Err, s.FailedAt = e.err, now
	if e.last {
		return s.to(Failed, now)
	}
	s = s.to(BackingOff, now)
	s.Next = now.Add(spec.pause(int(s.Failures), random))
	return s
}

// stuck is a service that did not return in time though its context had ended.
func (s Status) stuck(err error, now time.Time) Status {
	s.Failures++
	s.TotalFailures++
	s.Err, s.FailedAt = err, now
	return s.to(Failed, now)
}

// broke is a service that panicked when it was told to end.
func (s Status) broke(err error, now time.Time) Status {
	s.TotalFailures++
	s.Err, s.FailedAt = err, now
	return s
}

// restarted is the wish of somebody to have it started anew: what it failed by is
// forgiven.
func (s Status) restarted() Status {
	s.Failures = 0
	return s
}
