package retry

import (
	"time"

	"github.com/elixirscope/foundation/fault"
)

// component names this kind of part in faults.
const component = "retry"

// Config is a policy: which calls are made again, how often, and after which wait. The
// zero Config is the default policy. It is plain data: do not change one that is in use.
type Config struct {
	// Attempts is the largest number of attempts of a call, the first one included: 3 by
	// default, at most 10. 1 means that nothing is retried.
	Attempts int `yaml:"attempts"`
	// Backoff is the longest wait before the second attempt, 50 ms by default; it
	// doubles with each further one. The wait itself is random, from 0 up to that.
	Backoff time.Duration `yaml:"backoff"`
	// BackoffMax is where the doubling ends, 2 s by default, or Backoff if that is longer.
	BackoffMax time.Duration `yaml:"backoff_max"`
	// Budget is the share of first attempts to one target that may be retried, over the
	// last 10 seconds: 0.2 by default, at most 1. One retry per second is allowed
	// beside that. With a negative budget (0 in a file) that is all.
	Budget float64 `yaml:"budget" config:"zero"`
	// AttemptTimeout bounds each attempt of a call that may be retried; by default only
	// the time limit of the call as a whole does. An attempt that runs past it counts as a
	// failure of the dependency.
	AttemptTimeout time.Duration `yaml:"attempt_timeout"`
	// CountAttempts makes every attempt count against the rate limit of the guard; by
	// default a call counts once, however often it is tried.
	CountAttempts bool `yaml:"count_attempts"`
	// RetryAfterMax is the longest wait that the dependency may ask for, as in a
	// Retry-After field: 10 s by default. If it asks for more, the call is not retried.
	RetryAfterMax time.Duration `yaml:"retry_after_max"`
	// Outcomes lists how an attempt must have ended to be followed by another: failure, timeout,
	// refused (the dependency, or a protection further in, said not now). By default
	// failure and timeout.
	Outcomes []Cause `yaml:"outcomes"`
}

// The defaults that zero fields stand for, and the bounds.
const (
	defaultAttempts      = 3
	defaultBackoff       = 50 * time.Millisecond
	defaultBackoffMax    = 2 * time.Second
	defaultBudget        = 0.2
	defaultRetryAfterMax = 10 * time.Second

	maxAttempts = 10
	maxDuration = time.Hour
)

// Effective returns c with the documented defaults in place of zero fields.
func (c Config) Effective() Config {
	if c.Attempts == 0 {
		c.Attempts = defaultAttempts
	}
	if c.Backoff == 0 {
		c.Backoff = defaultBackoff
		if c.BackoffMax > 0 {
			c.Backoff = min(c.Backoff, c.BackoffMax)
		}
	}
	if c.BackoffMax == 0 {
		c.BackoffMax = max(defaultBackoffMax, c.Backoff)
	}
	if c.Budget == 0 {
		c.Budget = defaultBudget
	}
	if c.RetryAfterMax == 0 {
		c.RetryAfterMax = defaultRetryAfterMax
	}
	if c.Outcomes == nil {
		c.Outcomes = []Cause{Failed, TimedOut}
	}
	return c
}

// Validate returns every fault of c as one [fault.InvalidConfig], or nil.
func (c Config) Validate() error {
	ps := c.problems()
	return ps.Err(component, "")
}

func (c Config) problems() fault.Problems {
	var ps fault.Problems
	ps.Require(c.Attempts >= 0 && c.Attempts <= maxAttempts, "attempts", c.Attempts, "must be between 1 and %d, the first attempt included", maxAttempts)
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"backoff", c.Backoff},
		{"backoff_max", c.BackoffMax},
		{"attempt_timeout", c.AttemptTimeout},
		{"retry_after_max", c.RetryAfterMax},
	} {
		ps.Require(d.value >= 0 && d.value <= maxDuration, d.field, d.value, "must be positive and at most %v, or left out", maxDuration)
	}
	ps.Require(c.BackoffMax <= 0 || c.BackoffMax >= c.Backoff, "backoff_max", c.BackoffMax, "must not be shorter than backoff %v", c.Backoff)
	ps.Require(c.Budget <= 1, "budget", c.Budget, "must be at most 1, which is one retry for each first attempt")
	ps.Require(c.Outcomes == nil || len(c.Outcomes) > 0, "outcomes", "[]", "lists nothing: leave it out for the default, or set attempts to 1 to retry nothing")
	for _, cause := range c.Outcomes {
		ps.Require(cause.Known(), "outcomes", uint8(cause), "must be failure, timeout or refused")
	}
	return ps
}
