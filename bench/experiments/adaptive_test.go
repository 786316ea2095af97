package experiments_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/adaptive"
)

// errFull is the refusal of the contenders that are no guards.
var errFull = errors.New("too many calls in flight")

// shareOf says how much of a limit a priority may use.
func shareOf(p guard.Priority) float64 {
	if p == guard.Bulk {
		return 0.5
	}
	return 1
}

// candidate is an algorithm that no guard has.
type candidate struct {
	mu       sync.Mutex
	machine  adaptive.Machine
	state    adaptive.State
	began    time.Time
	inFlight int
	shares   bool
}

func (c *candidate) do(ctx context.Context, p guard.Priority, op func(context.Context) error) error {
	n, ok := c.take(p)
	if !ok {
		return errFull
	}
	began := time.Now()
	err := op(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight--
	x := adaptive.Sample{Took: time.Since(began), InFlight: n, TimedOut: err != nil}
	c.state = c.machine.Next(c.state, x, time.Since(c.began))
	return err
}

func (c *candidate) take(p guard.Priority) (int, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := c.state.Limit
	if c.shares {
		limit = int(math.Ceil(float64(limit) * shareOf(p)))
	}
	if c.inFlight >= limit {
		return 0, false
	}
	c.inFlight++
	return c.inFlight, true
}

func algorithm(name string, color int, m adaptive.Machine) contender {
	m.Min, m.Max = 1, 1000
	do := func(shares bool) func(t *testing.T) caller {
		return func(t *testing.T) caller {
			t.Helper()
			return (&candidate{machine: m, state: m.Start(0), began: time.Now(), shares: shares}).do
		}
	}
	return contender{name: name, color: color, protect: do(false), shared: do(true)}
}

// inShares is a contender of which bulk may use half.
func inShares(c contender) contender {
	c.name, c.protect = c.name+", bulk at most half", c.shared
	return c
}

// gradient2 is a guard with adaptive concurrency. By itself, all calls may use all of the limit.
func gradient2() contender {
	adapting := func(t *testing.T) caller {
		t.Helper()
		return through(newGuard(t, "upstream", guard.Config{AdaptiveConcurrency: &guard.AdaptiveConcurrency{Min: 1, Max: 1000}}))
	}
	alike := func(t *testing.T) caller {
		t.Helper()
		do := adapting(t)
		return func(ctx context.Context, _ guard.Priority, op func(context.Context) error) error {
			return do(ctx, guard.Critical, op)
		}
	}
	return contender{name: "gradient2", color: 1, protect: alike, shared: adapting}
}

func vegas() contender { return algorithm("Vegas", 2, adaptive.Machine{Step: stepVegas}) }
func aimd() contender {
	return algorithm("AIMD", 3, adaptive.Machine{Step: stepAIMD, Blind: true})
}
