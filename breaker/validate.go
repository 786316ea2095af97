package breaker

import (
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Validate returns nil, or one [fault.InvalidConfig] that lists every fault of c
// with its field, its value and what is allowed.
func (c Config) Validate() error { return c.problems().Err(component, "") }

// Warnings lists what is legal and very likely a mistake: settings without
// effect, and rules that can never decide. It is meaningful for a valid Config.
func (c Config) Warnings() []fault.Problem {
	var ps fault.Problems
	c.warnUnused(&ps)
	c.withDefaults().warnDead(&ps)
	return ps
}

func (c Config) problems() fault.Problems {
	var ps fault.Problems
	within(&ps, "failure_threshold", c.FailureThreshold, 1, maxThreshold)
	within(&ps, "window", c.Window, minDuration, maxDuration)
	share(&ps, "failure_ratio", c.FailureRatio)
	share(&ps, "slow_ratio", c.SlowRatio)
	within(&ps, "slow_after", c.SlowAfter, 1, maxDuration)
	ps.Require(c.SlowRatio == 0 || c.SlowAfter != 0, "slow_after", "", "is required with slow_ratio: from which duration on is a call slow?")
	within(&ps, "min_calls", c.MinCalls, 1, maxCalls)
	within(&ps, "consecutive_failures", c.ConsecutiveFailures, 1, maxCalls)
	c.cooldownProblems(&ps)
	within(&ps, "probes", c.Probes, 1, maxProbes)
	within(&ps, "probe_successes", c.ProbeSuccesses, 1, maxProbes)
	within(&ps, "probe_lease", c.ProbeLease, minDuration, maxDuration)
	within(&ps, "ramp", c.Ramp, 1, maxDuration)
	within(&ps, "call_timeout", c.CallTimeout, 1, maxDuration)
	ps.Require(c.Mode.Known(), "mode", c.Mode, "must be enforce, shadow or off")
	return ps
}

func (c Config) cooldownProblems(ps *fault.Problems) {
	within(ps, "cooldown", c.Cooldown, minDuration, maxDuration)
	within(ps, "cooldown_growth", c.CooldownGrowth, 1, maxGrowth)
	within(ps, "cooldown_max", c.CooldownMax, minDuration, maxCooldown)
	cooldown := or(c.Cooldown, defaultCooldown)
	ps.Require(c.CooldownMax <= 0 || c.CooldownMax >= cooldown, "cooldown_max", c.CooldownMax, "must be at least the cooldown, %v", cooldown)
	ps.Require(c.Jitter >= 0 && c.Jitter <= 1, "jitter", c.Jitter, "must be from 0 to 1")
}

// within requires a set value to lie between the bounds. The comparison is
// written so that NaN fails it.
func within[T int | float64 | time.Duration](ps *fault.Problems, field string, v, least, most T) {
	ps.Require(v == 0 || v >= least && v <= most, field, v, "must be from %v to %v", least, most)
}

func share(ps *fault.Problems, field string, v float64) {
	ps.Require(v == 0 || v > 0 && v <= 1, field, v, "must be above 0 and at most 1")
}

func (c Config) warnUnused(ps *fault.Problems) {
	if c.SlowAfter != 0 && c.SlowRatio == 0 {
		ps.Warn("slow_after", c.SlowAfter, "has no effect without slow_ratio")
	}
	if c.MinCalls != 0 && !c.timed() {
		ps.Warn("min_calls", c.MinCalls, "has no effect without failure_ratio or slow_ratio")
	}
	if c.CooldownMax != 0 && c.CooldownGrowth <= 1 {
		ps.Warn("cooldown_max", c.CooldownMax, "has no effect without a cooldown_growth above 1")
	}
}

// fastest is the rate of calls, per second, beyond which min_calls is taken for
// a mistake: no single process makes more calls to one dependency.
const fastest = 1_000_000

// warnDead warns about rules that can never decide. REQUIRES: defaults applied.
func (c Config) warnDead(ps *fault.Problems) {
	if c.timed() && float64(c.MinCalls) > fastest*c.Window.Seconds() {
		ps.Warn("min_calls", c.MinCalls, "a window of %v never holds so many calls: the ratio rules can never trip", c.Window)
	}
	needed := c.FailureRatio * float64(c.MinCalls)
	if c.FailureRatio > 0 && c.FailureThreshold > 0 && float64(c.FailureThreshold) <= needed {
		ps.Warn("failure_ratio", c.FailureRatio, "never decides: failure_threshold trips at %d failures, the ratio needs %.4g", c.FailureThreshold, needed)
	}
	if c.SlowRatio > 0 && c.CallTimeout > 0 && c.SlowAfter > c.CallTimeout {
		ps.Warn("slow_after", c.SlowAfter, "is beyond call_timeout, %v: no call gets so slow", c.CallTimeout)
	}
	if c.ProbeLease < c.CallTimeout {
		ps.Warn("probe_lease", c.ProbeLease, "is below call_timeout, %v: a slow probe loses its place before it answers", c.CallTimeout)
	}
}
