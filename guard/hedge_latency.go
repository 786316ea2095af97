package guard

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/histogram"
)

const (
	latencySlices = 6
	latencySlice  = 10 * time.Second
	// latencyFresh is how old the delay may be that calls are hedged by.
	latencyFresh = 250 * time.Millisecond
	// minSamples is how many attempts must have been seen before a percentile of theirs is
	// believed.
	minSamples = 100
)

// latency knows how long the attempts of the last minute took that had a chance to be
// hedged: those of the current slice of ten seconds and of the five before it.
//
// What a hedge itself took is no sample: of an attempt that lost against its hedge it is
// known that it would have taken at least as long as it ran, and it counts as that. All
// such samples lie above the delay, so the share of attempts below it stays what it is
// without hedges. Left out, or replaced by what the hedge took, they would lower the
// percentile, which would start more hedges, which would lower it further.
//
// Recording takes no lock. A goroutine that is held up for a slice and records into one
// that is being cleared adds or loses one sample.
type latency struct {
	current atomic.Int64 // the number of the current slice
	due     atomic.Int64 // when the delay is computed next, as an instant
	known   atomic.Int64 // the delay, 0 while there are too few samples
	seen    atomic.Int64 // the samples of the window, when the delay was computed

	mu         sync.Mutex // guards the change of slices and percentile; nothing is called under it
	percentile int
	slices     [latencySlices][histogram.Buckets]atomic.Uint32
}

// record counts an attempt that took d, or at least d.
func (l *latency) record(now clock.Instant, d time.Duration) {
	l.refresh(now)
	l.at(l.current.Load())[histogram.BucketOf(d)].Add(1)
}

func (l *latency) at(slice int64) *[histogram.Buckets]atomic.Uint32 {
	return &l.slices[((slice%latencySlices)+latencySlices)%latencySlices]
}

// delay is the percentile of the window, 0 while there are too few samples.
func (l *latency) delay() time.Duration {
	l.refresh(clock.Now())
	return time.Duration(l.known.Load())
}

// refresh brings the slices and the delay up to date. One call does so at a time, and the
// others go by the delay as it was. An instant that is much earlier than the last one is of
// another clock, as that of a synctest bubble.
func (l *latency) refresh(now clock.Instant) {
	due := clock.Instant(l.due.Load())
	if now < due && due.Sub(now) <= latencyFresh || !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	l.roll(int64(now) / int64(latencySlice))
	l.compute()
	l.due.Store(int64(now.Add(latencyFresh)))
}

// roll makes a slice the current one. REQUIRES: l.mu.
func (l *latency) roll(to int64) {
	from := l.current.Load()
	if to == from {
		return
	}
	if to < from || to-from > latencySlices {
		from = to - latencySlices
	}
	for slice := from + 1; slice <= to; slice++ {
		for i := range l.at(slice) {
			l.at(slice)[i].Store(0)
		}
	}
	l.current.Store(to)
}

// compute takes the percentile of the window: the upper bound of the bucket that it lies in,
// so that an attempt that takes as long as most do is not hedged. REQUIRES: l.mu.
func (l *latency) compute() {
	var all [histogram.Buckets]int64
	var count int64
	for i := range l.slices {
		for b := range l.slices[i] {
			n := int64(l.slices[i][b].Load())
			all[b] += n
			count += n
		}
	}
	l.seen.Store(count)
	l.known.Store(0)
	if count < minSamples {
		return
	}
	rank := (count*int64(l.percentile) + 99) / 100
	for b, n := range all {
		if rank -= n; rank <= 0 {
			_, upper := histogram.Bounds(b)
			l.known.Store(int64(max(upper, minHedgeDelay)))
			return
		}
	}
}

// follow sets the percentile that the delay is.
func (l *latency) follow(percentile int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.percentile = percentile
	l.compute()
}
