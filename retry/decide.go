package retry

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/enum"
)

// Cause is how an attempt ended that may be followed by another.
type Cause = enum.Of[causes]

// The causes.
const (
	Failed   Cause = iota // the dependency failed
	TimedOut              // the attempt ran past its time limit
	Refused               // the dependency, or a protection further in, said not now

	causeCount
)

type causes struct{}

func (causes) Names() (string, []string) { return "cause", causeNames }

var causeNames = []string{Failed: "failure", TimedOut: "timeout", Refused: "refused"}

// Causes returns all causes, in the order of their declaration.
func Causes() []Cause { return []Cause{Failed, TimedOut, Refused} }

// Reason says why there is another attempt, or none.
type Reason = enum.Of[reasons]

// The reasons. Only [Granted] means that there is another attempt.
const (
	Granted        Reason = iota
	OutOfAttempts         // there were as many as the policy allows
	OutOfTime             // the deadline leaves no time for another
	OutOfBudget           // too many retries to this target, see [Budget]
	AskedTooLong          // the dependency asked for a longer wait than the policy allows
	AlreadyRetried        // further in, see [Final]
	NotListed             // the policy does not retry what ended so
	NotIdempotent         // the call must not be made twice, or cannot be, as one whose body is gone
	CircuitOpen           // the breaker opened meanwhile
	AttemptRefused        // another protection refused the next attempt
	Canceled              // the caller gave up during the wait

	reasonCount
)

type reasons struct{}

func (reasons) Names() (string, []string) { return "reason", reasonNames }

var reasonNames = []string{
	Granted: "granted", OutOfAttempts: "attempts", OutOfTime: "deadline", OutOfBudget: "budget", AskedTooLong: "retry_after",
	AlreadyRetried: "already_retried", NotListed: "outcome", NotIdempotent: "not_idempotent", CircuitOpen: "circuit_open",
	AttemptRefused: "attempt_refused", Canceled: "canceled",
}

// Stops returns all reasons for which there is no further attempt.
func Stops() []Reason {
	all := make([]Reason, 0, reasonCount-1)
	for r := Granted + 1; r < reasonCount; r++ {
		all = append(all, r)
	}
	return all
}

// State is what [Config.Next] knows of a call.
type State struct {
	Attempts int           // that have ended, at least 1
	Deadline clock.Instant // of the call, [clock.Max] without one
}

// Event is how the last attempt ended.
type Event struct {
	Cause Cause
	// Need is how much time another attempt needs at least, for it to be worth making.
	Need time.Duration
	// After is how long the dependency asked to wait, 0 if it did not; see [Delay].
	After time.Duration
	// Final says that the call must not be retried; see [IsFinal].
	Final bool
	// Random is a random number in [0, 1).
	Random float64
}

// Decision is whether there is another attempt.
type Decision struct {
	Reason Reason
	Wait   time.Duration // before the next attempt, if Reason is [Granted]
}

// Next decides whether a call is tried again. It is a pure function: it neither asks nor
// changes a [Budget], which is the caller's to do after a call was granted another attempt.
func (c Config) Next(s State, e Event, now clock.Instant) Decision {
	c = c.Effective()
	wait := e.After + c.jitter(s.Attempts, e.Random)
	switch {
	case e.Final:
		return Decision{Reason: AlreadyRetried}
	case c.Attempts == 1 || !slices.Contains(c.Outcomes, e.Cause):
		return Decision{Reason: NotListed}
	case s.Attempts >= c.Attempts:
		return Decision{Reason: OutOfAttempts}
	case e.After > c.RetryAfterMax:
		return Decision{Reason: AskedTooLong}
	case s.Deadline.Sub(now) <= wait+e.Need:
		return Decision{Reason: OutOfTime}
	}
	return Decision{Wait: wait}
}

// Gone returns why a caller's context allows no further attempt, [Granted] while it does.
func Gone(ctx context.Context) Reason {
	switch err := ctx.Err(); {
	case err == nil:
		return Granted
	case errors.Is(err, context.DeadlineExceeded):
		return OutOfTime
	default:
		return Canceled
	}
}

// jitter is the wait after the given number of attempts: anything up to the back-off. A
// random part on top of the back-off would let callers that failed together come
// back as one wave that is merely wider.
func (c *Config) jitter(attempts int, random float64) time.Duration {
	longest := c.BackoffMax
	if shift := max(0, attempts-1); shift < maxAttempts {
		longest = min(longest, c.Backoff<<shift) // an hour can be doubled ten times
	}
	return time.Duration(random * float64(longest))
}
