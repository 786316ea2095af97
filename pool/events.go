package pool

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

const eventPrefix = telemetry.Prefix + "connection_pool."

// CheckedOut says that a worker was lent.
type CheckedOut struct {
	Pool string
	Wait time.Duration // how long the borrower waited
}

// CheckedIn says that a worker came back, or was discarded by its borrower.
type CheckedIn struct {
	Pool      string
	Held      time.Duration // how long it was borrowed
	Destroyed bool          // it did not come back for further use
}

// TransactionExecuted says that a function that was given to [Pool.With] has ended. It
// follows the [CheckedIn] of the same borrowing.
type TransactionExecuted struct {
	Pool     string
	Duration time.Duration
	Err      error // what the function returned; nil also if it panicked
	Panicked bool  // the function panicked or ended its goroutine
}

// TimedOut says that a borrower waited in vain. The seed calls it checkout_timeout, too.
type TimedOut struct {
	Pool    string
	Waited  time.Duration
	Waiting int // borrowers that still wait
}

// RefusedFull says that a borrower that would not wait, or for which there was no room
// among the waiters, was refused.
type RefusedFull struct {
	Pool    string
	InUse   int
	Waiting int
}

// WorkerStarted says that a worker was made.
type WorkerStarted struct {
	Pool      string
	Took      time.Duration
	Recovered int // failed attempts in a row that this success ends
}

// WorkerFailed says that a worker could not be made.
type WorkerFailed struct {
	Pool     string
	Err      error
	Failures int           // failed attempts in a row, attempts made side by side counted once
	Pause    time.Duration // until the next attempt
}

// The reasons for which a worker is closed.
const (
	reasonOverflow  = "overflow"
	reasonResized   = "resized"
	reasonLifetime  = "lifetime"
	reasonIdle      = "idle"
	reasonCheck     = "check"
	reasonDiscarded = "discarded"
	reasonLeaked    = "leaked"
	reasonClosed    = "closed"
	reasonReset     = "reset"
)

// WorkerStopped says that a worker was closed.
type WorkerStopped struct {
	Pool string
	// Reason is "overflow" (it came back, nobody waited, and the pool is above its
	// size), "resized" (the pool was made smaller), "lifetime" (it reached max_lifetime),
	// "idle" (it reached max_idle_time), "check" (a check or reset failed), "discarded"
	// (its borrower destroyed it, panicked, or ran out of time), "leaked" (it was taken
	// away from a borrower that kept it for too long), "closed" (the pool was closed) or
	// "reset" (it was made before the pool was reset).
	Reason string
	Err    error // what the check said, where one failed, or that Close panicked
}

// WorkerLeaked says that a worker has been borrowed for longer than leak_after.
type WorkerLeaked struct {
	Pool      string
	Held      time.Duration
	Stack     string // of the borrower, when it borrowed
	Reclaimed bool
}

// Edge implements [telemetry.Edge]. That a worker was made is one where it ends a failure:
// pools with overflow make and close workers all day.
func (e WorkerStarted) Edge() (string, fault.Severity) {
	if e.Recovered == 0 {
		return e.Pool, ""
	}
	return e.Pool, fault.SeverityInfo
}

// Edge implements [telemetry.Edge].
func (e WorkerFailed) Edge() (string, fault.Severity) { return e.Pool, fault.SeverityError }

// Edge implements [telemetry.Edge].
func (e WorkerLeaked) Edge() (string, fault.Severity) { return e.Pool, fault.SeverityWarning }

// EventName implements [telemetry.Event].
func (CheckedOut) EventName() string { return eventPrefix + "checkout" }

// EventName implements [telemetry.Event].
func (CheckedIn) EventName() string { return eventPrefix + "checkin" }

// EventName implements [telemetry.Event].
func (TransactionExecuted) EventName() string { return eventPrefix + "transaction_executed" }

// EventName implements [telemetry.Event].
func (TimedOut) EventName() string { return eventPrefix + "timeout" }

// EventName implements [telemetry.Event].
func (RefusedFull) EventName() string { return eventPrefix + "pool_full" }

// EventName implements [telemetry.Event].
func (WorkerStarted) EventName() string { return eventPrefix + "worker_started" }

// EventName implements [telemetry.Event].
func (WorkerFailed) EventName() string { return eventPrefix + "worker_failed" }

// EventName implements [telemetry.Event].
func (WorkerStopped) EventName() string { return eventPrefix + "worker_stopped" }

// EventName implements [telemetry.Event].
func (WorkerLeaked) EventName() string { return eventPrefix + "worker_leaked" }

// topics are the events of one pool, resolved once.
type topics struct {
	checkedOut    telemetry.Topic[CheckedOut]
	checkedIn     telemetry.Topic[CheckedIn]
	executed      telemetry.Topic[TransactionExecuted]
	timedOut      telemetry.Topic[TimedOut]
	refusedFull   telemetry.Topic[RefusedFull]
	workerStarted telemetry.Topic[WorkerStarted]
	workerFailed  telemetry.Topic[WorkerFailed]
	workerStopped telemetry.Topic[WorkerStopped]
	workerLeaked  telemetry.Topic[WorkerLeaked]
}

func topicsOf(bus *telemetry.Bus) topics {
	return topics{
		telemetry.TopicOf[CheckedOut](bus), telemetry.TopicOf[CheckedIn](bus), telemetry.TopicOf[TransactionExecuted](bus),
		telemetry.TopicOf[TimedOut](bus), telemetry.TopicOf[RefusedFull](bus), telemetry.TopicOf[WorkerStarted](bus),
		telemetry.TopicOf[WorkerFailed](bus), telemetry.TopicOf[WorkerStopped](bus), telemetry.TopicOf[WorkerLeaked](bus),
	}
}
