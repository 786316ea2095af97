package memory

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Cleaner is something that can be given up when memory is short: a cache, idle connections,
// spare workers. Name and Clean are required. Its functions may be called from any goroutine,
// Clean never by two at once.
type Cleaner struct {
	// Name is shown, and a label of metrics.
	Name string
	// MinLevel is from which level on it runs; Unknown means Elevated.
	MinLevel Level
	// Estimate says how many bytes there are to be freed, a negative number that it does not
	// know. At 0 Clean is not called. It must not block. Nil does not know.
	Estimate func() int64
	// Clean frees up to about target bytes, and says how many it has freed: estimated, where
	// it cannot know. It returns soon after ctx has ended.
	Clean func(ctx context.Context, target int64) (freed int64, err error)
	// Cost is about how long Clean takes, until that is measured; 0 means 1 ms. Among all
	// cleaners the one that frees most for its time runs first.
	Cost time.Duration
	// Cooldown is the pause after Clean, which doubles up to 5 min while it frees less than
	// 5 % of what was wanted; 0 means 10 s.
	Cooldown time.Duration
	// Timeout bounds Clean; 0 means 1 s. One that does not return then is left behind, and
	// not called again before it has.
	Timeout time.Duration
}

// CleanerStatus is a [Cleaner] at one moment.
type CleanerStatus struct {
	Name           string
	MinLevel       Level
	Runs, Failures uint64
	Freed          uint64 // as it says, in all runs
	LastAt         time.Time
	LastFreed      int64
	LastMeasured   int64 // by how many bytes the use had fallen afterwards
	LastTook       time.Duration
	LastErr        string
	Cooldown       time.Duration // after the last run
	Behind         bool          // it has not returned in time, and runs still
}

const (
	defaultCost     = time.Millisecond
	defaultCooldown = 10 * time.Second
	defaultTimeout  = time.Second
	longestCooldown = 5 * time.Minute
	cleanGrace      = 100 * time.Millisecond // to return once the time is up
	effective       = 0.05                   // of what was wanted
	smoothing       = 0.3                    // the weight of the newest run
	leastTarget     = 1 << 20

	// heapCleaner names the forced garbage collection among the cleaners.
	heapCleaner = "go_heap"
)

func (c Cleaner) withDefaults() Cleaner {
	c.MinLevel = max(c.MinLevel, Elevated)
	c.Cost = cmp.Or(c.Cost, defaultCost)
	c.Cooldown, c.Timeout = cmp.Or(c.Cooldown, defaultCooldown), cmp.Or(c.Timeout, defaultTimeout)
	if c.Estimate == nil {
		c.Estimate = func() int64 { return -1 }
	}
	return c
}

// faults finds everything wrong with the settings and the cleaners.
func faults(cfg Config, cleaners []Cleaner) error {
	var p fault.Problems
	if err := cfg.Validate(); err != nil {
		p = append(p, err.(*fault.Error).Problems()...) //nolint:errcheck,forcetypeassert,errorlint // Validate returns nothing else
	}
	names := map[string]bool{heapCleaner: true}
	for _, c := range cleaners {
		p.Require(fault.ValidName(c.Name), "cleaners", c.Name, "a name has 1 to %d of a-z, 0-9, '_', '.', '-' and begins with a letter or digit", fault.MaxNameLength)
		p.Require(!names[c.Name], "cleaners."+c.Name, c.Name, "is there twice")
		names[c.Name] = true
		p.Require(c.Clean != nil, "cleaners."+c.Name, "", "has no function Clean")
		p.Require(c.MinLevel <= Critical, "cleaners."+c.Name, c.MinLevel, "has an unknown level")
		p.Require(c.Cost >= 0 && c.Cooldown >= 0 && c.Timeout >= 0, "cleaners."+c.Name, "", "has a negative duration")
	}
	return p.Err(component, "")
}

// history is what is known of a cleaner's runs. Its zero value has none.
type history struct {
	runs, failures uint64
	freed          uint64
	yield, cost    float64 // smoothed: bytes and seconds of a run
	cooldown       time.Duration
	next           time.Time // it may run from then on
	last           run
}

// run is how a run of a cleaner ended.
type run struct {
	at              time.Time
	freed, measured int64
	took            time.Duration
	err             error
}

// after returns the history with one more run, which was to free target bytes. The cooldown is
// base after a run that was worth its cost, and doubles otherwise.
func (h history) after(r run, target int64, base time.Duration) history {
	freed := max(r.freed, r.measured, 0)
	h.runs++
	h.freed += uint64(max(r.freed, 0))
	if r.err != nil {
		h.failures++
	}
	if h.runs == 1 {
		h.yield, h.cost = float64(freed), r.took.Seconds()
	} else {
		h.yield += smoothing * (float64(freed) - h.yield)
		h.cost += smoothing * (r.took.Seconds() - h.cost)
	}
	if r.err == nil && float64(freed) >= effective*float64(target) {
		h.cooldown = base
	} else {
		h.cooldown = max(base, min(2*h.cooldown, longestCooldown))
	}
	h.next = r.at.Add(r.took + h.cooldown)
	h.last = r
	return h
}

// rank is what a run is expected to free for its time. What has never run comes first, as
// nothing is known of it, unless it estimates.
func (h history) rank(estimate int64, cost time.Duration) float64 {
	switch {
	case h.runs > 0:
		return h.yield / max(h.cost, 1e-6)
	case estimate < 0:
		return math.Inf(1)
	default:
		return float64(estimate) / cost.Seconds()
	}
}

// collect forces a garbage collection, and gives back what is free if release is set.
func collect(release bool) {
	if release {
		debug.FreeOSMemory()
		return
	}
	runtime.GC()
}
