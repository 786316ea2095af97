package breaker

import (
	"reflect"
	"time"

	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
)

// Config says when a breaker opens, for how long, and how it closes again. A
// zero field means its default, so Config{} is a good start: five failures
// within ten seconds open it for half a minute, then one probe decides.
//
// Rules are independent: the breaker opens as soon as any of them is met.
type Config struct {
	// FailureThreshold opens the breaker on this many failures within Window,
	// exactly on the last of them. 1 to 4096. Default: 5 if no other rule is set,
	// else the rule is off.
	FailureThreshold int `yaml:"failure_threshold"`
	// Window is how far back failures, ratios and slow calls are counted. A
	// failure of age Window is out. 1 ms to 24 h, default 10 s.
	Window time.Duration `yaml:"window"`
	// FailureRatio opens the breaker when a failure brings the share of failures
	// in Window to this value, from MinCalls on. Above 0, at most 1. Default: off.
	FailureRatio float64 `yaml:"failure_ratio"`
	// SlowRatio opens the breaker when the share of calls in Window that took
	// SlowAfter or longer reaches this value, from MinCalls on. A slow probe counts
	// as a failed one. Above 0, at most 1. Default: off.
	SlowRatio float64 `yaml:"slow_ratio"`
	// SlowAfter is the duration from which a call is slow; it has no default and
	// must be set with SlowRatio. 1 ns to 24 h.
	SlowAfter time.Duration `yaml:"slow_after"`
	// MinCalls is how many calls Window must hold before a ratio decides. 1 to
	// 1,000,000, default 20.
	MinCalls int `yaml:"min_calls"`
	// ConsecutiveFailures opens the breaker on this many failures in a row,
	// however long that takes. 1 to 1,000,000. Default: off.
	ConsecutiveFailures int `yaml:"consecutive_failures"`
	// Cooldown is how long the breaker stays open before it lets probes through.
	// 1 ms to 24 h, default 30 s.
	Cooldown time.Duration `yaml:"cooldown"`
	// CooldownGrowth multiplies the cooldown at each opening that follows a failed
	// probe, or a closing that lasted less than the cooldown before it. 1 to 10,
	// default 1: no growth.
	CooldownGrowth float64 `yaml:"cooldown_growth"`
	// CooldownMax bounds the grown cooldown, before jitter. At least Cooldown, at
	// most 168 h. Default: ten times Cooldown, at most 168 h.
	CooldownMax time.Duration `yaml:"cooldown_max"`
	// Jitter lengthens each cooldown by a random share of itself between 0 and
	// this value, so that many processes do not probe at once. 0 to 1, default 0.
	Jitter float64 `yaml:"jitter" config:"allowzero"`
	// Probes is how many calls may be in flight while half-open. 1 to 1000,
	// default 1.
	Probes int `yaml:"probes"`
	// ProbeSuccesses is how many probes must succeed to close the breaker; one
	// that fails opens it again. 1 to 1000, default 1.
	ProbeSuccesses int `yaml:"probe_successes"`
	// ProbeLease is how long a probe keeps its place. After that the place is
	// free, and the probe's result no longer counts. 1 ms to 24 h. Default: twice
	// CallTimeout, at least 30 s.
	ProbeLease time.Duration `yaml:"probe_lease"`
	// Ramp is the time after closing in which the share of admitted calls rises
	// from a tenth to all. At most 24 h, default 0: all at once.
	Ramp time.Duration `yaml:"ramp" config:"allowzero"`
	// CallTimeout bounds the calls of Do: their context ends by then. The caller's
	// own deadline wins if it is earlier. At most 24 h. Default: none. Only a
	// breaker in mode enforce does so. Breakers below a guard leave it to the guard.
	CallTimeout time.Duration `yaml:"call_timeout"`
	// Mode is enforce (default), shadow (decides, counts and reports, refuses
	// nothing) or off.
	Mode mode.Mode `yaml:"mode"`
	// Classify judges the error of a call of Do, also a nil one, instead of the
	// default judgement, see [Breaker.Do]. It runs outside every lock and must be
	// safe for concurrent use. Default: nil. Breakers below a guard leave it to the
	// guard.
	Classify func(error) outcome.Outcome `yaml:"-"`
}

// same reports whether both set the same. Functions cannot be compared: a Config
// that has one is the same as none.
func (c Config) same(other Config) bool { return reflect.DeepEqual(c, other) }

// Defaults, and the bounds of what is accepted.
const (
	defaultThreshold  = 5
	defaultWindow     = 10 * time.Second
	defaultMinCalls   = 20
	defaultCooldown   = 30 * time.Second
	defaultProbeLease = 30 * time.Second
	defaultMaxFactor  = 10

	maxThreshold = 4096
	maxCalls     = 1_000_000
	maxGrowth    = 10
	maxProbes    = 1000
	minDuration  = time.Millisecond
	maxDuration  = 24 * time.Hour
	maxCooldown  = 7 * 24 * time.Hour
)

// withDefaults returns c with every zero field that has a default replaced by
// it: the settings that a breaker made from c works with.
func (c Config) withDefaults() Config {
	if c.FailureThreshold == 0 && c.FailureRatio == 0 && c.SlowRatio == 0 && c.ConsecutiveFailures == 0 {
		c.FailureThreshold = defaultThreshold
	}
	c.Window = or(c.Window, defaultWindow)
	c.MinCalls = or(c.MinCalls, defaultMinCalls)
	c.Cooldown = or(c.Cooldown, defaultCooldown)
	c.CooldownGrowth = or(c.CooldownGrowth, 1)
	c.CooldownMax = or(c.CooldownMax, min(maxCooldown, defaultMaxFactor*c.Cooldown))
	c.Probes = or(c.Probes, 1)
	c.ProbeSuccesses = or(c.ProbeSuccesses, 1)
	c.ProbeLease = or(c.ProbeLease, min(maxDuration, max(defaultProbeLease, 2*c.CallTimeout)))
	return c
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// bounded reports whether calls are ended by a timeout: it is an intervention, as
// a refusal is, so that modes which only watch leave it out.
func (c *Config) bounded() bool { return c.CallTimeout > 0 && c.Mode == mode.Enforce }

// timed reports whether calls are counted by time, not only failures.
func (c *Config) timed() bool { return c.FailureRatio > 0 || c.SlowRatio > 0 }
