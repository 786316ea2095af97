package guard

import (
	"errors"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

// Config says what a guard protects with. Every field may be zero: the zero
// Config guards nothing, counts outcomes, and passes errors on as they are.
type Config struct {
	// Breaker refuses calls while the dependency fails.
	Breaker *breaker.Breaker `yaml:"-"`
	// Breakers is one breaker for each key; give it or Breaker.
	Breakers *breaker.Group `yaml:"-"`
	// PerTarget makes Breakers one breaker for each [Call.Target] instead, so that what
	// is counted against a host does not depend on whose call it was.
	PerTarget bool `yaml:"-"`
	// RateLimit bounds how often the calls of a key may happen.
	RateLimit *ratelimit.Limiter `yaml:"-"`
	// Pool lends each call a worker. Such a guard is used with [Bind] and [DoWith].
	Pool pool.Lender `yaml:"-"`
	// Retry makes calls with [Call.Idempotent] again that failed; by default every call is
	// made once. Each target has a budget of its own, see [retry.Budget].
	Retry *retry.Config `yaml:"-"`
	// Hedge starts another attempt beside one that is slow, for idempotent calls made by
	// DoHedged, and for GET and HEAD requests of protect.Transport and of the gateway; by
	// default there is none. Retries and hedges have one budget.
	Hedge *Hedge `yaml:"hedge"`
	// Admission refuses calls by priority, before anything else is asked, while memory
	// is short.
	Admission Admitter `yaml:"-"`
	// Recorder is told how every call ended.
	Recorder Recorder `yaml:"-"`
	// Timeout bounds the call itself, all its attempts together, without the wait for the
	// first worker; by default nothing does. It also bounds the wait for a turn of a leaky bucket, which comes
	// before the call. The caller's own deadline wins if it is earlier.
	Timeout time.Duration `yaml:"timeout"`
	// CheckoutTimeout bounds the wait for a worker; by default the pool's own does.
	CheckoutTimeout time.Duration `yaml:"checkout_timeout"`
	// DeadlineFloor is how long a call must have run for the caller's own deadline
	// to count as the dependency's failure: one that left it no time says nothing
	// about the dependency. By default a tenth of Timeout, 100 ms without one.
	DeadlineFloor time.Duration `yaml:"deadline_floor"`
	// Lease is how long a call of the two-step form may stay open before it is taken
	// back and counted as a failure. By default twice Timeout, at least 30 s.
	Lease time.Duration `yaml:"lease"`
	// Concurrency bounds how many calls are in flight; by default nothing does.
	Concurrency int `yaml:"concurrency"`
	// AdaptiveConcurrency bounds how many calls are in flight and follows their latency,
	// where no number is right for long; give it or Concurrency.
	AdaptiveConcurrency *AdaptiveConcurrency `yaml:"adaptive_concurrency"`
	// Priority is that of calls that have none and whose context has none: critical,
	// normal (the default), best_effort or bulk. The last is refused first when memory
	// is short.
	Priority Priority `yaml:"priority"`
	// Mode is enforce (the default), shadow (decide and count, but refuse nothing) or
	// off.
	Mode mode.Mode `yaml:"mode"`
	// Classify judges errors that are neither the guard's time limit, nor the
	// caller's doing, nor [Neutral], nor a refusal further in, of which a worker that
	// could not be made is a failure. It runs outside every lock. nil means that each of them is a [Failure]. It is set in code alone.
	Classify func(error) outcome.Outcome `yaml:"-"`
	// RefundOnFailure gives the tokens of the rate limit back when a call fails.
	RefundOnFailure bool `yaml:"refund_on_failure"`
	// MaxDetached is how many detached calls may have run past their time and not
	// ended before further ones are refused, and how many attempts may have lost against
	// others of their call and not ended before nothing is hedged; 100 by default. Those that are in flight
	// by then can still join them: with Concurrency set, that is the hard bound.
	MaxDetached int `yaml:"max_detached"`
}

// The defaults that zero fields stand for.
const (
	defaultDeadlineFloor = 100 * time.Millisecond
	defaultLease         = 30 * time.Second
	defaultMaxDetached   = 100

	maxDuration    = 24 * time.Hour
	maxConcurrency = 1 << 30
)

// Validate returns every fault of c as one [fault.InvalidConfig], or nil.
func (c Config) Validate() error {
	ps := c.problems()
	return ps.Err(component, "")
}

func (c *Config) problems() fault.Problems {
	var ps fault.Problems
	ps.Require(c.Breaker == nil || c.Breakers == nil, "breaker", "", "give one breaker, or a group of one for each key, not both")
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"timeout", c.Timeout},
		{"checkout_timeout", c.CheckoutTimeout},
		{"deadline_floor", c.DeadlineFloor},
		{"lease", c.Lease},
	} {
		ps.Require(d.value >= 0 && d.value <= maxDuration, d.field, d.value, "must be positive and at most %v, or left out", maxDuration)
	}
	ps.Require(c.Lease <= 0 || c.Lease >= c.Timeout, "lease", c.Lease, "must not be shorter than timeout %v: healthy calls would be taken for lost", c.Timeout)
	ps.Require(c.Concurrency >= 0 && c.Concurrency <= maxConcurrency, "concurrency", c.Concurrency, "must be between 1 and %d, or left out for no bound", maxConcurrency)
	ps.Require(c.MaxDetached >= 0 && c.MaxDetached <= maxConcurrency, "max_detached", c.MaxDetached, "must be between 1 and %d", maxConcurrency)
	ps = append(ps, c.adaptiveProblems()...)
	ps = append(ps, c.retryProblems()...)
	ps = append(ps, c.hedgeProblems()...)
	ps.Require(c.Priority.Valid(), "priority", uint8(c.Priority), "must be critical, normal, best_effort or bulk")
	ps.Require(c.Mode.Known(), "mode", uint8(c.Mode), "must be enforce, shadow or off")
	return ps
}

// retryProblems are those of the policy.
func (c *Config) retryProblems() (ps fault.Problems) {
	if c.Retry == nil {
		return nil
	}
	if f, ok := errors.AsType[*fault.Error](c.Retry.Validate()); ok {
		for _, p := range f.Problems() {
			p.Field = "retry." + p.Field
			ps = append(ps, p)
		}
	}
	return ps
}

// Warnings returns what is legal in c and very likely a mistake.
func (c Config) Warnings() []fault.Problem {
	var ps fault.Problems
	if c.Pool == nil && c.CheckoutTimeout != 0 {
		ps.Warn("checkout_timeout", c.CheckoutTimeout, "means nothing without a pool")
	}
	if c.PerTarget && c.Breakers == nil {
		ps.Warn("per_target", true, "means nothing without a group of breakers")
	}
	if c.RateLimit == nil && c.RefundOnFailure {
		ps.Warn("refund_on_failure", true, "means nothing without a rate limit")
	}
	if c.Timeout > 0 && c.DeadlineFloor > c.Timeout {
		ps.Warn("deadline_floor", c.DeadlineFloor, "is longer than timeout %v: the deadline of a caller never counts as a failure", c.Timeout)
	}
	if r := c.Retry; r != nil && c.Timeout > 0 && r.AttemptTimeout >= c.Timeout {
		ps.Warn("retry", "", "its attempt_timeout %v is not shorter than timeout %v: an attempt that times out leaves no time for another", r.AttemptTimeout, c.Timeout)
	}
	c.warnHedge(&ps)
	if c.Breaker != nil && c.Breaker.Status().Config.CallTimeout > 0 || c.Breakers != nil && c.Breakers.Status().Config.CallTimeout > 0 {
		ps.Warn("breaker", "", "its call_timeout is not used below a guard: set the guard's timeout")
	}
	return ps
}

// effective returns c with the documented defaults in place of zero fields.
func (c Config) effective() Config {
	if c.DeadlineFloor == 0 {
		c.DeadlineFloor = defaultDeadlineFloor
		if c.Timeout > 0 {
			c.DeadlineFloor = c.Timeout / 10
		}
	}
	if c.Lease == 0 {
		c.Lease = max(2*c.Timeout, defaultLease)
	}
	if c.MaxDetached == 0 {
		c.MaxDetached = defaultMaxDetached
	}
	if c.Priority == 0 {
		c.Priority = Normal
	}
	if c.AdaptiveConcurrency != nil {
		bounds := c.AdaptiveConcurrency.effective()
		c.AdaptiveConcurrency = &bounds
	}
	if c.Hedge != nil {
		hedge := c.Hedge.effective()
		c.Hedge = &hedge
	}
	if c.Retry != nil {
		policy := c.Retry.Effective()
		c.Retry = &policy
	}
	return c
}
