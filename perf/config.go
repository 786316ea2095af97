package perf

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Config holds the settings of a [Monitor]. The zero Config has the defaults, which are
// right for most.
type Config struct {
	// Tick is the span that is judged at a time, 10s by default: whole seconds, from 1s to 5m. Shorter ones find incidents sooner and need more calls a second.
	Tick time.Duration `yaml:"tick"`
	// WarmUp is for how long an operation must have had calls before it is judged by what is normal for it; until then it is learning. 30 ticks by default, from 10 ticks to 7 days.
	WarmUp time.Duration `yaml:"warm_up"`
	// MinEffect is the least deviation that is worth an alert, as a share of what is normal: 0.2 by default, above 0, at most 10.
	MinEffect float64 `yaml:"min_effect"`
	// Hold is how long an alert lasts at least, so that one that comes and goes is one alert. 5m by default, from 1 tick to 24h.
	Hold time.Duration `yaml:"hold"`
	// MaxOperations bounds the operations that the program counts by itself, 256 by default, at most 65536; further ones share "op:other".
	MaxOperations int `yaml:"max_operations"`
	// Objectives say what was promised of an operation, by its name.
	Objectives map[string]Objective `yaml:"objectives"`
	// Thresholds are bounds that are set by hand, by the name of the operation. They hold from the first tick on, beside what the monitor has learned.
	Thresholds map[string]Threshold `yaml:"thresholds"`
}

// Objective is what was promised of an operation: how many of its calls succeed, and how
// many of those that do take no longer than a bound. Alerts follow how fast the calls that
// may break the promise are used up.
type Objective struct {
	// Success is the share of calls that succeed, as in 0.999: above 0, below 1. Default none.
	Success float64 `yaml:"success"`
	// Latency is the bound that a share of the successful calls keeps. Default none.
	Latency time.Duration `yaml:"latency"`
	// LatencyShare is that share, as in 0.99: above 0, below 1. It is required with latency.
	LatencyShare float64 `yaml:"latency_share"`
	// Period is the span that the promise is for, 24h by default, from 1h to 90 days.
	Period time.Duration `yaml:"period"`
}

// Threshold is a set of bounds for one operation. Each that is set counts.
type Threshold struct {
	// P50 is the longest that the median of a tick may be. Default none.
	P50 time.Duration `yaml:"p50"`
	// P90 is the same of 90 in a hundred calls. Default none.
	P90 time.Duration `yaml:"p90"`
	// P95 is the same of 95 in a hundred calls. Default none.
	P95 time.Duration `yaml:"p95"`
	// P99 is the same of 99 in a hundred calls. Default none.
	P99 time.Duration `yaml:"p99"`
	// Errors is the greatest share of calls that may fail, as in 0.05: from 0, below 1. Default none.
	Errors float64 `yaml:"errors"`
	// MinRate is the least number of calls a second. Default none.
	MinRate float64 `yaml:"min_rate"`
	// MaxRate is the greatest number of calls a second. Default none.
	MaxRate float64 `yaml:"max_rate"`
	// For is how many of the last ticks must break a bound, 3 by default.
	For int `yaml:"for"`
	// Of is how many the last ticks are, 5 by default, at most 60.
	Of int `yaml:"of"`
	// MinCalls is how many calls a tick must have for its latency and errors to count, 10 by default.
	MinCalls int `yaml:"min_calls"`
}

// The defaults and the bounds of the settings.
const (
	defaultTick          = 10 * time.Second
	maxTick              = 5 * time.Minute
	defaultWarmUpTicks   = 30
	minWarmUpTicks       = 10
	maxWarmUp            = 7 * 24 * time.Hour
	defaultMinEffect     = 0.2
	maxMinEffect         = 10
	defaultHold          = 5 * time.Minute
	maxHold              = 24 * time.Hour
	defaultMaxOperations = 256
	mostOperations       = 1 << 16
	defaultPeriod        = 24 * time.Hour
	minPeriod            = time.Hour
	maxPeriod            = 90 * 24 * time.Hour
	defaultFor           = 3
	defaultOf            = 5
	maxOf                = 60
	defaultMinCalls      = 10
	maxRate              = 1e12
)

// withDefaults returns c with its defaults filled in.
func (c Config) withDefaults() Config {
	setDefault(&c.Tick, defaultTick)
	setDefault(&c.WarmUp, defaultWarmUpTicks*c.Tick)
	setDefault(&c.MinEffect, defaultMinEffect)
	setDefault(&c.Hold, max(defaultHold, c.Tick))
	setDefault(&c.MaxOperations, defaultMaxOperations)
	return c
}

func (o Objective) withDefaults() Objective {
	setDefault(&o.Period, defaultPeriod)
	return o
}

func (t Threshold) withDefaults() Threshold {
	if t.Of == 0 {
		t.Of = max(defaultOf, t.For)
	}
	if t.For == 0 {
		t.For = min(defaultFor, t.Of)
	}
	setDefault(&t.MinCalls, defaultMinCalls)
	return t
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate returns every fault of the settings as one [fault.InvalidConfig], or nil.
func (c Config) Validate() error {
	var ps fault.Problems
	d := c.withDefaults()
	ps.Require(d.Tick >= time.Second && d.Tick <= maxTick && d.Tick%time.Second == 0, "tick", c.Tick, "must be whole seconds between 1s and %v", maxTick)
	if d.Tick > 0 {
		ps.Require(d.WarmUp >= minWarmUpTicks*d.Tick && d.WarmUp <= maxWarmUp, "warm_up", c.WarmUp, "must lie between %d ticks (%v) and 7 days", minWarmUpTicks, minWarmUpTicks*d.Tick)
	}
	ps.Require(d.MinEffect > 0 && d.MinEffect <= maxMinEffect, "min_effect", c.MinEffect, "must be above 0 and at most %d, a share of what is normal", maxMinEffect)
	ps.Require(d.Hold >= d.Tick && d.Hold <= maxHold, "hold", c.Hold, "must lie between 1 tick (%v) and %v", d.Tick, maxHold)
	ps.Require(d.MaxOperations > 0 && d.MaxOperations <= mostOperations, "max_operations", c.MaxOperations, "must lie between 1 and %d", mostOperations)
	each(&ps, "objectives", c.Objectives, Objective.check)
	each(&ps, "thresholds", c.Thresholds, Threshold.check)
	return ps.Err(component, "")
}

// each checks the settings of every operation, whose faults are named below its name.
func each[T any](ps *fault.Problems, section string, all map[string]T, check func(T) fault.Problems) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		path := section + "[" + name + "]" // a name may have dots
		ps.Require(printable(name), path, name, "the name of an operation has 1 to %d bytes of printable text", maxName)
		for _, p := range check(all[name]) {
			p.Field = path + "." + p.Field
			*ps = append(*ps, p)
		}
	}
}

func (o Objective) check() (ps fault.Problems) {
	share := func(field string, v float64) {
		ps.Require(v > 0 && v < 1, field, v, "must be above 0 and below 1: an objective that allows no call to break it is broken by the first")
	}
	if o.Success == 0 && o.Latency == 0 && o.LatencyShare == 0 {
		ps.Add("success", "", "is missing: an objective has success, or latency with latency_share, or both")
	}
	if o.Success != 0 {
		share("success", o.Success)
	}
	switch {
	case o.Latency != 0 && o.LatencyShare == 0:
		ps.Add("latency_share", "", "is missing: say which share of the calls keeps to latency, as in 0.99")
	case o.Latency == 0 && o.LatencyShare != 0:
		ps.Add("latency", "", "is missing: say what latency_share is the share of")
	}
	if o.LatencyShare != 0 {
		share("latency_share", o.LatencyShare)
	}
	ps.Require(o.Latency == 0 || o.Latency > 0 && o.Latency <= maxDuration, "latency", o.Latency, "must be positive and at most %v, beyond which durations are not told apart", maxDuration)
	d := o.withDefaults()
	ps.Require(d.Period >= minPeriod && d.Period <= maxPeriod, "period", o.Period, "must lie between %v and 90 days", minPeriod)
	return ps
}

// maxDuration is what the histograms tell apart.
const maxDuration = time.Minute

func (t Threshold) check() (ps fault.Problems) {
	if t == (Threshold{For: t.For, Of: t.Of, MinCalls: t.MinCalls}) {
		ps.Add("p99", "", "no bound is set: set p50, p90, p95, p99, errors, min_rate or max_rate")
	}
	last, lastName := time.Duration(0), ""
	for _, q := range t.quantiles() {
		if q.bound == 0 {
			continue
		}
		ps.Require(q.bound > 0 && q.bound <= maxDuration, q.name, q.bound, "must be positive and at most %v, beyond which durations are not told apart", maxDuration)
		ps.Require(lastName == "" || q.bound >= last, q.name, q.bound, "is less than %s, %v, which it never can be", lastName, last)
		last, lastName = q.bound, q.name
	}
	ps.Require(t.Errors >= 0 && t.Errors < 1, "errors", t.Errors, "must lie between 0 and 1, without 1: a share of calls")
	ps.Require(t.MinRate >= 0 && t.MinRate <= maxRate, "min_rate", t.MinRate, "must be a number of calls a second")
	ps.Require(t.MaxRate >= 0 && t.MaxRate <= maxRate, "max_rate", t.MaxRate, "must be a number of calls a second")
	ps.Require(t.MaxRate == 0 || t.MaxRate > t.MinRate, "max_rate", t.MaxRate, "must be above min_rate, %v", t.MinRate)
	d := t.withDefaults()
	ps.Require(d.Of >= 1 && d.Of <= maxOf, "of", t.Of, "must lie between 1 and %d ticks", maxOf)
	ps.Require(d.For >= 1 && d.For <= d.Of, "for", t.For, "must lie between 1 and of, %d ticks", d.Of)
	ps.Require(d.MinCalls >= 1, "min_calls", t.MinCalls, "must be positive")
	return ps
}

// quantileBound is one bound of the latency.
type quantileBound struct {
	name  string
	q     float64
	bound time.Duration
}

func (t *Threshold) quantiles() [4]quantileBound {
	return [...]quantileBound{{"p50", 0.5, t.P50}, {"p90", 0.9, t.P90}, {"p95", 0.95, t.P95}, {"p99", 0.99, t.P99}}
}

// Names lists the operations that the settings name, each once, in order.
func (c *Config) Names() []string {
	names := make(map[string]bool, len(c.Objectives)+len(c.Thresholds))
	for name := range c.Objectives {
		names[name] = true
	}
	for name := range c.Thresholds {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// maxName is the greatest length of an operation's name, in bytes.
const maxName = 128

func printable(name string) bool {
	var ps fault.Problems
	ps.CheckName(name)
	return len(ps) == 0
}

// String says what the bounds are, as in "p99 ≤ 250ms, errors ≤ 0.05".
func (t Threshold) String() string {
	text := ""
	add := func(format string, args ...any) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf(format, args...)
	}
	for _, q := range t.quantiles() {
		if q.bound > 0 {
			add("%s ≤ %v", q.name, q.bound)
		}
	}
	if t.Errors > 0 {
		add("errors ≤ %v", t.Errors)
	}
	if t.MinRate > 0 {
		add("rate ≥ %v/s", t.MinRate)
	}
	if t.MaxRate > 0 {
		add("rate ≤ %v/s", t.MaxRate)
	}
	return text
}
