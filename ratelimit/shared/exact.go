package shared

import (
	"errors"
	"math/bits"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
)

// What a shared rule may ask for at most. A store computes in integers that a double
// holds exactly, which are below 2^53, and in microseconds, because that is what the
// clocks and scripts of servers have. Within these bounds no sum of its exceeds that
// in this century.
const (
	mostCalls  = 1_000_000_000_000
	mostLogged = 10_000 // of a sliding_log: each call is a part of the value that every other reads
	longest    = 10 * 365 * 24 * time.Hour
	tick       = time.Microsecond
)

// Validate returns one [fault.InvalidConfig] with every fault of the rule, those of its
// Config included, or nil. A rule may be right for the local limiter and yet have numbers
// that a store cannot compute exactly with; then the fault names the greatest that it can.
func (r Rule) Validate() error {
	ps := faultsOf(r.Config.Validate())
	ps.CheckName(r.Name)
	most := int64(mostCalls)
	if r.Config.Algorithm == ratelimit.SlidingLog {
		most = mostLogged
		ps.Require(r.Config.Limit <= most, "limit", r.Config.Limit,
			"must be at most %d in a shared sliding_log, whose every call is stored and read by the others; sliding_window has no such bound", most)
	} else {
		ps.Require(r.Config.Limit <= most, "limit", r.Config.Limit, "must be at most %d in a shared rule, to be counted exactly", most)
	}
	ps.Require(r.Config.Burst <= most, "burst", r.Config.Burst, "must be at most %d in a shared rule, to be counted exactly", most)
	ps.Require(r.Config.Per <= longest, "per", r.Config.Per, "must be at most %v in a shared rule, to be counted exactly", longest)
	ps.Require(r.Config.Per < 0 || r.Config.Per%tick == 0, "per", r.Config.Per, "must be a whole number of microseconds in a shared rule, because the clock of the store has no smaller unit")
	r.checkFill(&ps)
	return ps.Err("rate_limiter", r.Name)
}

// checkFill checks how long an empty bucket takes to fill, which is as far ahead as a
// store has to remember.
func (r Rule) checkFill(ps *fault.Problems) {
	c := r.Config
	if c.Per == 0 {
		c.Per = time.Second
	}
	if c.Burst <= 0 || c.Limit <= 0 || c.Per < 0 {
		return
	}
	hi, lo := bits.Mul64(uint64(longest), uint64(c.Limit))
	if hi >= uint64(c.Per) {
		return // no burst is too great
	}
	most, _ := bits.Div64(hi, lo, uint64(c.Per))
	ps.Require(uint64(c.Burst) <= most, "burst", c.Burst,
		"must be at most %d in a shared rule with this limit: a greater one would take more than %v to fill", most, longest)
}

// faultsOf returns the problems that an error of a configuration lists.
func faultsOf(err error) fault.Problems {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Problems()
	}
	return nil
}
