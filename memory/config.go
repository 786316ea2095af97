package memory

import (
	"cmp"
	"fmt"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// component names this kind of part in faults.
const component = "memory"

// Config says how a [Manager] watches and when it refuses. The zero Config is legal and
// right for most.
type Config struct {
	// Limit is how many bytes the process may use; auto (0, the default) finds out what
	// GOMEMLIMIT, the control groups and the machine allow.
	Limit int64 `yaml:"limit" config:"size,auto"`
	// Interval is the pause between two samples, 250 ms by default. From level high on it
	// is 100 ms at most.
	Interval time.Duration `yaml:"interval"`
	// Levels says from which share of the limit on a level holds.
	Levels Levels `yaml:"levels"`
	// Exits says below which share of the limit a level may be left; by default 0.05, 0.07
	// and 0.07 below Levels.
	Exits Exits `yaml:"exits"`
	// Dwell is how long a level is kept at least, and how long it must not have been asked
	// for before it is left. 3 s by default.
	Dwell time.Duration `yaml:"dwell"`
	// GCInterval is the pause between two forced garbage collections at least, 10 s by
	// default; it doubles up to 5 min while they free little. A negative one (0 in a file)
	// means that none is forced.
	GCInterval time.Duration `yaml:"gc_interval" config:"zero"`
}

// Levels are the shares of the limit from which on levels hold.
type Levels struct {
	// Elevated refuses a part of bulk; 0.75 by default.
	Elevated float64 `yaml:"elevated"`
	// High refuses bulk, and a part of best_effort; 0.85 by default.
	High float64 `yaml:"high"`
	// Critical refuses all but critical and what releases memory; 0.95 by default.
	Critical float64 `yaml:"critical"`
}

// Exits are the shares of the limit below which levels may be left.
type Exits struct {
	// Elevated is left to normal; 0.70 by default.
	Elevated float64 `yaml:"elevated"`
	// High is left to elevated; 0.78 by default.
	High float64 `yaml:"high"`
	// Critical is left to high; 0.88 by default.
	Critical float64 `yaml:"critical"`
}

// The defaults of fields that are zero.
const (
	defaultInterval   = 250 * time.Millisecond
	fastInterval      = 100 * time.Millisecond // at most, from High on
	confirmInterval   = 50 * time.Millisecond  // at most, where a sample asks for a higher level
	defaultElevated   = 0.75
	defaultHigh       = 0.85
	defaultCritical   = 0.95
	elevatedGap       = 0.05
	highGap           = 0.07
	criticalGap       = 0.07
	defaultDwell      = 3 * time.Second
	defaultGCInterval = 10 * time.Second
)

// The bounds of what can be set.
const (
	minLimit      = 1 << 20
	minInterval   = 10 * time.Millisecond
	maxInterval   = time.Minute
	minDwell      = 100 * time.Millisecond
	maxDwell      = time.Hour
	minGCInterval = time.Second
	maxGCInterval = 5 * time.Minute
)

// withDefaults returns c with the default of every field that is zero. Exits follow the
// levels that are set.
func (c Config) withDefaults() Config {
	c.Interval = cmp.Or(c.Interval, defaultInterval)
	c.Dwell = cmp.Or(c.Dwell, defaultDwell)
	c.GCInterval = cmp.Or(c.GCInterval, defaultGCInterval)
	l, e := &c.Levels, &c.Exits
	l.Elevated, l.High, l.Critical = cmp.Or(l.Elevated, defaultElevated), cmp.Or(l.High, defaultHigh), cmp.Or(l.Critical, defaultCritical)
	e.Elevated = cmp.Or(e.Elevated, l.Elevated-elevatedGap)
	e.High = cmp.Or(e.High, l.High-highGap)
	e.Critical = cmp.Or(e.Critical, l.Critical-criticalGap)
	return c
}

// thresholds returns what the machine goes by.
func (c Config) thresholds() *thresholds {
	t := &thresholds{dwell: c.Dwell}
	t.enter[Elevated], t.enter[High], t.enter[Critical] = c.Levels.Elevated, c.Levels.High, c.Levels.Critical
	t.exit[Elevated], t.exit[High], t.exit[Critical] = c.Exits.Elevated, c.Exits.High, c.Exits.Critical
	return t
}

// Validate returns all that is wrong with c, as one [fault.InvalidConfig].
func (c Config) Validate() error {
	var p fault.Problems
	d := c.withDefaults()
	p.Require(c.Limit == 0 || c.Limit >= minLimit, "limit", c.Limit, "must be at least 1MiB, or auto")
	p.Require(d.Interval >= minInterval && d.Interval <= maxInterval, "interval", c.Interval, "must lie between %v and %v", minInterval, maxInterval)
	p.Require(d.Dwell >= minDwell && d.Dwell <= maxDwell, "dwell", c.Dwell, "must lie between %v and %v", minDwell, maxDwell)
	p.Require(d.GCInterval < 0 || d.GCInterval >= minGCInterval && d.GCInterval <= maxGCInterval, "gc_interval", c.GCInterval,
		"must lie between %v and %v, or be negative (0 in a file) for none", minGCInterval, maxGCInterval)
	below, name := 0.0, "0"
	for _, l := range []struct {
		name        string
		enter, exit float64
		wrote       bool // the exit
	}{
		{"elevated", d.Levels.Elevated, d.Exits.Elevated, c.Exits.Elevated != 0},
		{"high", d.Levels.High, d.Exits.High, c.Exits.High != 0},
		{"critical", d.Levels.Critical, d.Exits.Critical, c.Exits.Critical != 0},
	} {
		// Written so that a NaN is refused, too.
		p.Require(l.enter > below && l.enter <= 1, "levels."+l.name, l.enter, "must be above %s and at most 1: each level begins above the one before", name)
		field, hint := "exits."+l.name, ""
		if !l.wrote {
			field, hint = "levels."+l.name, fmt.Sprintf(": the exit, %.2f by default, has to lie above 0", l.exit)
		}
		p.Require(l.exit > 0 && l.exit < l.enter, field, l.exit, "must be above 0 and below the level's %v%s", l.enter, hint)
		below, name = l.enter, fmt.Sprintf("the level before, %v", l.enter)
	}
	return p.Err(component, "")
}
