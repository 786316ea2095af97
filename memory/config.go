package memory

import (
	"cmp"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// component names this kind of part in faults.
const component = "memory"

// Config says how a [Manager] watches. The zero Config is legal and right for most.
type Config struct {
	// Interval is the pause between two samples, 250 ms by default; it is shorter while
	// memory is short.
	Interval time.Duration `yaml:"interval"`
}

const defaultInterval = 250 * time.Millisecond

// The bounds of Interval.
const (
	minInterval = 10 * time.Millisecond
	maxInterval = time.Minute
)

// WithDefaults returns c with the default of every field that is zero.
func (c Config) WithDefaults() Config {
	c.Interval = cmp.Or(c.Interval, defaultInterval)
	return c
}

// Validate returns all that is wrong with c, as one [fault.InvalidConfig].
func (c Config) Validate() error {
	var p fault.Problems
	if d := c.WithDefaults(); d.Interval < minInterval || d.Interval > maxInterval {
		p.Add("interval", c.Interval, "must lie between %v and %v", minInterval, maxInterval)
	}
	return p.Err(component, "")
}
