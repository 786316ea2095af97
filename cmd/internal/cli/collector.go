package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// What is live in a gateway is a few megabytes. At the usual growth of 100 % the
// collector would run dozens of times a second and cost a tenth of the throughput;
// a high percentage for all sizes would waste memory where ten thousand
// connections make the heap large. So the garbage that may pile up before a
// collection is about the same for all sizes, within the bounds of the percentage.
const (
	garbage       = 64 << 20
	leastPercent  = 200
	mostPercent   = 800 // also makes the heap's least size 32 MiB, of which most is never touched
	worthAChange  = 4   // a change by less than a quarter is not worth stopping the world
	liveHeapBytes = "/gc/heap/live:bytes"
)

// percentFor returns the growth at which a heap with that much alive is collected.
func percentFor(live uint64) int {
	return int(min(max(garbage*100/max(live, 1), leastPercent), mostPercent))
}

// collector adjusts the garbage collector after each of its runs.
type collector struct {
	// mu guards the fields below.
	mu      sync.Mutex
	percent int
	stopped bool
}

// startCollector begins to adjust the garbage collector. The returned function
// ends that and restores what was set before.
func startCollector() (stop func()) {
	c := &collector{percent: mostPercent}
	before := debug.SetGCPercent(c.percent)
	c.afterNextRun()
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stopped = true
		debug.SetGCPercent(before)
	}
}

// afterNextRun uses that the clean-up of what nobody refers to runs after the
// collection that found it.
func (c *collector) afterNextRun() {
	runtime.AddCleanup(new([64]byte), (*collector).adjust, c)
}

func (c *collector) adjust() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return
	}
	live := []metrics.Sample{{Name: liveHeapBytes}}
	metrics.Read(live)
	if want := percentFor(live[0].Value.Uint64()); max(want-c.percent, c.percent-want)*worthAChange > c.percent {
		c.percent = want
		debug.SetGCPercent(want)
	}
	c.afterNextRun()
}
