package guard

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adaptive"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/priority"
)

// AdaptiveConcurrency bounds how many calls are in flight by their latency: the bound goes
// up while calls use it and take no longer than without load, and down when they take more
// than twice as long or run out of time. Each priority may use a share of it: critical all,
// normal nine tenths, best_effort seven tenths, bulk half.
type AdaptiveConcurrency struct {
	// Min is the lowest that it goes; 4 by default, or Max if that is lower.
	Min int `yaml:"min"`
	// Max is the highest that it goes; 1000 by default, or Min if that is higher.
	Max int `yaml:"max"`
}

const defaultMinConcurrency, defaultMaxConcurrency = 4, 1000

// effective returns a with the documented defaults in place of zero fields.
func (a AdaptiveConcurrency) effective() AdaptiveConcurrency {
	if a.Max == 0 {
		a.Max = max(defaultMaxConcurrency, a.Min)
	}
	if a.Min == 0 {
		a.Min = min(defaultMinConcurrency, a.Max)
	}
	return a
}

func (c *Config) adaptiveProblems() (ps fault.Problems) {
	a := c.AdaptiveConcurrency
	if a == nil {
		return nil
	}
	ps.Require(c.Concurrency == 0, "adaptive_concurrency", "", "means nothing beside concurrency %d: give one bound", c.Concurrency)
	ps.Require(a.Min >= 0 && a.Min <= maxConcurrency, "adaptive_concurrency.min", a.Min, "must be between 1 and %d, or left out for %d", maxConcurrency, defaultMinConcurrency)
	ps.Require(a.Max >= 0 && a.Max <= maxConcurrency, "adaptive_concurrency.max", a.Max, "must be between 1 and %d, or left out for %d", maxConcurrency, defaultMaxConcurrency)
	ps.Require(a.Min <= a.Max || a.Max == 0, "adaptive_concurrency.min", a.Min, "must not be above max %d", a.Max)
	return ps
}

// ConcurrencyStatus is a bound of [AdaptiveConcurrency] at one moment.
type ConcurrencyStatus struct {
	Limit int // in force now
	// Reason says why it last moved: "initial" if it has not, "headroom" (raised),
	// "latency" or "timeouts" (lowered), "probe" (lowered for a moment to measure the
	// latency without load), "probe_ended", or "bounds" (the settings changed).
	Reason string
	Since  time.Time // when it last moved
	// Latency is the mean of the last calls, Baseline the latency without load; 0 while
	// nothing is known.
	Latency, Baseline time.Duration
}

// follower has the bound that follows the latency. It is kept over all revisions.
type follower struct {
	_     [128]byte // a line of its own: every call reads the limit, and many write the state
	limit atomic.Int64
	// mu guards what follows. A call that ends only tries to take it: if another one is at
	// work, its sample is left out, which tells as much as the others do.
	mu      sync.Mutex
	machine adaptive.Machine
	state   adaptive.State
	_       [64]byte
}

// adapt returns what follows the latency under cfg; nil if nothing does.
func (g *Guard) adapt(cfg *Config) *follower {
	if cfg.AdaptiveConcurrency == nil {
		return nil
	}
	f := g.follower.Load()
	if f == nil {
		f = new(follower)
		f.reconfigure(cfg, true)
		g.follower.Store(f)
	} else {
		f.reconfigure(cfg, false)
	}
	return f
}

// reconfigure sets the bounds of the bound. In shadow mode there are no probes: a limit that
// holds nobody back lowers no latency.
func (f *follower) reconfigure(cfg *Config, fresh bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Duration(clock.Now())
	a := cfg.AdaptiveConcurrency
	f.machine = adaptive.Machine{Min: a.Min, Max: a.Max, Step: adaptive.Gradient2, Blind: cfg.Mode == mode.Shadow}
	if fresh {
		f.state = f.machine.Start(now)
	} else {
		f.state = f.machine.Rebound(f.state, now)
	}
	f.limit.Store(int64(f.state.Limit))
}

// shares are how much of the bound each priority may use, in percent.
var shares = [...]int64{priority.Critical: 100, priority.Normal: 90, priority.BestEffort: 70, priority.Bulk: 50}

// bound is how many calls may be in flight for one of priority p to be admitted.
func (f *follower) bound(p Priority) int64 {
	share := int64(100)
	if int(p) < len(shares) && shares[p] != 0 {
		share = shares[p]
	}
	return (f.limit.Load()*share + 99) / 100
}

// takeSlot takes a place of the bound, and returns the bound.
func (v *visit) takeSlot(ctx context.Context, c *Call) (bound int64, ok bool) {
	bound = int64(v.rev.config.Concurrency)
	if f := v.rev.follower; f != nil {
		bound = f.bound(v.rev.priority(ctx, c))
	}
	taken := v.guard.slots.take(bound)
	if taken == 0 {
		return bound, false
	}
	v.holds |= slot
	v.found = taken
	return bound, true
}

// sample tells the follower how long an attempt took that ended at now. Only good calls, and
// those that ran out of time, tell something about the load.
func (v *visit) sample(now clock.Instant, r Result) {
	f := v.rev.follower
	if f == nil || v.found == 0 || r != Succeeded && r != TimedOut || !f.mu.TryLock() {
		return
	}
	x := adaptive.Sample{Took: now.Sub(v.began), InFlight: int(v.found), TimedOut: r == TimedOut}
	f.state = f.machine.Next(f.state, x, time.Duration(now))
	f.limit.Store(int64(f.state.Limit))
	f.mu.Unlock()
}

// concurrency is the bound now; 0 means none.
func (r *revision) concurrency() int {
	if r.follower != nil {
		return int(r.follower.limit.Load())
	}
	return r.config.Concurrency
}

func (f *follower) status() ConcurrencyStatus {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.state
	return ConcurrencyStatus{
		Limit: s.Limit, Reason: s.Reason.String(), Since: clock.Instant(s.Since).Time(), Latency: s.Latency, Baseline: s.Baseline,
	}
}

// evidence is what a refusal says beside the calls in flight. It waits for nobody.
func (f *follower) evidence(inFlight fault.Fact) ([]fault.Fact, string) {
	if !f.mu.TryLock() {
		return []fault.Fact{inFlight}, ""
	}
	s := f.state
	f.mu.Unlock()
	return []fault.Fact{
		inFlight,
		fault.Measure("limit", float64(s.Limit), ""),
		fault.Measure("latency", s.Latency.Seconds(), "seconds"),
		fault.Measure("latency_without_load", s.Baseline.Seconds(), "seconds"),
	}, messages[s.Reason]
}

// messages of refusals, by why the limit last moved.
var messages = [...]string{
	adaptive.Initial:     "the adaptive limit is reached, which has learnt nothing yet",
	adaptive.Headroom:    "the adaptive limit is reached, which was last raised",
	adaptive.LatencyRose: "the adaptive limit is reached, which was last lowered because calls took longer than without load",
	adaptive.TimedOut:    "the adaptive limit is reached, which was last lowered because calls ran out of time",
	adaptive.Probe:       "the adaptive limit is reached, which is low for a moment to measure the latency without load",
	adaptive.Probed:      "the adaptive limit is reached, which has just measured the latency without load",
	adaptive.Bounds:      "the adaptive limit is reached, whose bounds have changed",
}
