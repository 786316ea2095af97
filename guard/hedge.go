package guard

import (
	"fmt"
	"strconv"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/retry"
)

// Hedge says when an idempotent call that is slow gets another attempt beside the one under
// way, see [DoHedged]. The zero Hedge is one more attempt after the 95th percentile.
type Hedge struct {
	// After is how long an attempt may take before another starts beside it: a duration, or a
	// percentile of the guard's own recent attempts, p50 to p99. p95 by default.
	After HedgeAfter `yaml:"after"`
	// Max is how many attempts may start beside the first, each After later than the one
	// before: 1 by default, at most 3.
	Max int `yaml:"max"`
}

// HedgeAfter is a delay: a fixed one, or one that follows the latency of the attempts. Its
// text is a duration as "50ms", or a percentile as "p95". The zero value stands for the
// default.
type HedgeAfter struct {
	Percentile int           // from 50 to 99; 0 if Delay is given
	Delay      time.Duration // at least 1 ms
}

const (
	defaultPercentile = 95
	defaultHedges     = 1

	minPercentile, maxPercentile = 50, 99
	maxHedges                    = 3
	// minHedgeDelay is the shortest delay: below that a second attempt costs more than it
	// saves, and the clock is too coarse.
	minHedgeDelay = time.Millisecond
)

// String returns the text of a.
func (a HedgeAfter) String() string {
	switch {
	case a.Percentile != 0:
		return "p" + strconv.Itoa(a.Percentile)
	case a.Delay != 0:
		return a.Delay.String()
	}
	return ""
}

// MarshalText returns what String does.
func (a HedgeAfter) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads a percentile or a duration. It leaves a as it is when the text is
// neither.
func (a *HedgeAfter) UnmarshalText(text []byte) error {
	s := string(text)
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		*a = HedgeAfter{Delay: d}
		return nil
	}
	if len(s) > 1 && s[0] == 'p' {
		if n, err := strconv.Atoi(s[1:]); err == nil && n > 0 && strconv.Itoa(n) == s[1:] {
			*a = HedgeAfter{Percentile: n}
			return nil
		}
	}
	return fmt.Errorf("%.40q is neither a duration, as 50ms, nor a percentile of the guard's own latency, as p95", s)
}

// effective returns h with the documented defaults in place of zero fields.
func (h Hedge) effective() Hedge {
	if h.After == (HedgeAfter{}) {
		h.After.Percentile = defaultPercentile
	}
	if h.Max == 0 {
		h.Max = defaultHedges
	}
	return h
}

func (c *Config) hedgeProblems() (ps fault.Problems) {
	h := c.Hedge
	if h == nil {
		return nil
	}
	after := h.After
	ps.Require(after.Percentile == 0 || after.Delay == 0, "hedge.after", after.Delay, "give a percentile or a delay, not both")
	ps.Require(after.Percentile == 0 || after.Percentile >= minPercentile && after.Percentile <= maxPercentile,
		"hedge.after", after.String(), "must be from p%d to p%d: below, most calls would be made twice; above, there are too few samples", minPercentile, maxPercentile)
	ps.Require(after.Delay == 0 || after.Delay >= minHedgeDelay && after.Delay <= maxDuration,
		"hedge.after", after.Delay, "must be between %v and %v", minHedgeDelay, maxDuration)
	ps.Require(h.Max >= 0 && h.Max <= maxHedges, "hedge.max", h.Max, "must be between 1 and %d attempts beside the first, or left out for %d", maxHedges, defaultHedges)
	return ps
}

// warnHedge says what is legal in the hedging of c and very likely a mistake.
func (c *Config) warnHedge(ps *fault.Problems) {
	if c.Hedge == nil {
		return
	}
	after := c.Hedge.After.Delay
	if c.Mode != mode.Enforce {
		ps.Warn("hedge", "", "means nothing with mode %v: only a guard that enforces hedges", c.Mode)
	}
	if c.Timeout > 0 && after >= c.Timeout {
		ps.Warn("hedge.after", after, "is not shorter than timeout %v: the call is over before it is hedged", c.Timeout)
	}
	if r := c.Retry; r != nil && r.AttemptTimeout > 0 && after >= r.AttemptTimeout {
		ps.Warn("hedge.after", after, "is not shorter than the attempt_timeout %v of its retry: an attempt is over before it is hedged", r.AttemptTimeout)
	}
}

// hedging is what a revision knows of hedges; nil if there are none.
type hedging struct {
	Hedge // with its defaults filled in

	latency *latency // that of the guard, nil if the delay is fixed
}

// delay is how long an attempt may take before it is hedged; 0 while that is not known.
func (h *hedging) delay() time.Duration {
	if h.latency == nil {
		return h.After.Delay
	}
	return h.latency.delay()
}

// newHedging keeps the latency that is known, over all revisions.
func (g *Guard) newHedging(cfg *Config) *hedging {
	if cfg.Hedge == nil || cfg.Mode != mode.Enforce {
		return nil
	}
	h := &hedging{Hedge: *cfg.Hedge}
	if p := h.After.Percentile; p != 0 {
		g.latency.CompareAndSwap(nil, new(latency))
		h.latency = g.latency.Load()
		h.latency.follow(p)
	}
	return h
}

// shareOf is the share of first attempts that retries and hedges may be.
func shareOf(cfg *Config) float64 {
	policy := cfg.Retry
	if policy == nil {
		policy = new(retry.Config)
	}
	return policy.Effective().Budget
}
