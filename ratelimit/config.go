package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/key"
	"github.com/elixirscope/foundation/mode"
)

const (
	// defaultPer is the window of a rule that names none.
	defaultPer = time.Second
	// defaultMaxKeys is how many keys a rule tracks that does not say. A key of a
	// bucket or a window costs less than 100 bytes.
	defaultMaxKeys = 1_000_000

	longLog   = 10_000
	mostKeys  = 1 << 28
	component = "rate_limiter"
)

// Config is one rule: how many calls of a key may pass in which time. The zero
// value of a field means its default; only Limit has none.
type Config struct {
	// Algorithm says how calls are counted: gcra (the default), fixed_window,
	// sliding_window, sliding_log or leaky_bucket.
	Algorithm Algorithm `yaml:"algorithm"`
	// Limit is how many calls may pass in each Per, at least 1. A negative limit
	// (0 in a file) refuses every call.
	Limit int64 `yaml:"limit" config:"zero"`
	// Per is the time that Limit is meant for; 1 second by default.
	Per time.Duration `yaml:"per"`
	// Burst is how many calls gcra admits at once, and how many leaky_bucket lets
	// wait; by default as many as Limit. The other algorithms have none.
	Burst int64 `yaml:"burst"`
	// Parts is how many parts of a key, from the first, the rule looks at: all
	// of them by default. A negative number (0 in a file) makes one bucket for
	// everybody. At most 4.
	Parts int `yaml:"parts" config:"zero"`
	// MaxKeys bounds the keys that are tracked one by one, 1,000,000 by default.
	// Beyond it new keys share 1,024 buckets until others have run out.
	MaxKeys int `yaml:"max_keys"`
	// Mode is enforce (the default), shadow or off.
	Mode mode.Mode `yaml:"mode"`
}

// Validate returns one [fault.InvalidConfig] with every fault of c, or nil.
func (c Config) Validate() error {
	ps := c.problems()
	return ps.Err(component, "")
}

// Warnings returns what is legal in c and very likely not meant.
func (c Config) Warnings() []fault.Problem {
	var ps fault.Problems
	if c.Limit < 0 {
		ps.Warn("limit", c.Limit, "this rule refuses every call")
	}
	if c.Algorithm == SlidingLog && c.Limit > longLog {
		ps.Warn("limit", c.Limit, "sliding_log keeps 16 bytes for each of so many calls of every key; sliding_window needs 24 bytes a key in all")
	}
	if c.Parts < 0 && c.MaxKeys != 0 {
		ps.Warn("max_keys", c.MaxKeys, "with parts: 0 the rule has one bucket and max_keys means nothing")
	}
	if full := c.withDefaults(); full.Algorithm == GCRA && full.Burst == 1 && full.Limit > 1 {
		ps.Warn("burst", 1, "two calls that arrive together are refused however few they are; a burst of a few calls absorbs chance")
	}
	return ps
}

func (c Config) problems() fault.Problems {
	var ps fault.Problems
	ps.Require(c.Algorithm.Known(), "algorithm", uint8(c.Algorithm), "must be gcra, fixed_window, sliding_window, sliding_log or leaky_bucket")
	if c.Limit == 0 {
		ps.Add("limit", "", "is missing: a number of calls of at least 1 (0 in a file and -1 in Go refuse every call)")
	}
	ps.Require(c.Per >= 0, "per", c.Per, "must be longer than 0")
	c.checkBurst(&ps)
	ps.Require(c.Parts <= key.MaxParts, "parts", c.Parts, "must be at most %d", key.MaxParts)
	ps.Require(c.MaxKeys >= 0 && c.MaxKeys <= mostKeys, "max_keys", c.MaxKeys, "must be between 1 and %d", mostKeys)
	ps.Require(c.Mode.Known(), "mode", uint8(c.Mode), "must be enforce, shadow or off")
	return ps
}

func (c Config) checkBurst(ps *fault.Problems) {
	ps.Require(c.Burst >= 0, "burst", c.Burst, "must be at least 1")
	ps.Require(c.Burst == 0 || c.Limit >= 0, "burst", c.Burst, "must be left out of a rule that refuses every call")
	if c.Burst != 0 && c.Algorithm.Known() {
		ps.Require(paced(c.Algorithm), "burst", c.Burst, "%s has no burst: its limit is what it admits at once; leave it out or use gcra", c.Algorithm)
	}
}

// withDefaults returns c with every default filled in.
func (c Config) withDefaults() Config {
	if c.Per == 0 {
		c.Per = defaultPer
	}
	if c.Burst == 0 && paced(c.Algorithm) {
		c.Burst = max(c.Limit, 0)
	}
	if c.Parts == 0 {
		c.Parts = key.All
	}
	if c.MaxKeys == 0 {
		c.MaxKeys = defaultMaxKeys
	}
	return c
}
