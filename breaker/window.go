package breaker

import (
	"slices"
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
)

// window holds what the rules count, each part only if a rule needs it. Parts
// are replaced, never resized in place, because calls use them without a lock.
type window struct {
	ring    *ring         // failure_threshold; guarded by the breaker's mutex
	buckets *buckets      // the ratio rules; atomic
	run     *atomic.Int64 // consecutive_failures; written under the mutex, read without it

	began  clock.Instant
	before uint64 // successes of the breaker before that
}

func newWindow(r *rules, single bool, began clock.Instant, before uint64) window {
	w := window{began: began, before: before}
	if r.FailureThreshold > 0 {
		w.ring = newRing(r.FailureThreshold)
	}
	if r.timed() {
		w.buckets = newBuckets(r.Window, single)
	}
	if r.ConsecutiveFailures > 0 {
		w.run = new(atomic.Int64)
	}
	return w
}

// recordLocked counts a call. REQUIRES: the breaker's mutex.
func (w *window) recordLocked(kind eventKind, slow bool, now clock.Instant) {
	failed := kind == onFailure
	if w.buckets != nil {
		w.buckets.add(now, failed, slow)
	}
	if failed && w.ring != nil {
		w.ring.add(now)
	}
	if w.run != nil {
		if failed {
			w.run.Add(1)
		} else {
			w.run.Store(0)
		}
	}
}

// totalsLocked reads the window as it is at now. REQUIRES: the breaker's mutex.
func (w *window) totalsLocked(r *rules, now clock.Instant) totals {
	var t totals
	if w.ring != nil {
		t.failures = w.ring.within(now, r.Window)
	}
	if w.run != nil {
		t.consecutive = int(w.run.Load())
	}
	if w.buckets != nil {
		t.calls, t.failed, t.slow = w.buckets.sums(now)
	}
	return t
}

// carriedLocked returns a window for the rules r that holds what w counted, as
// far as r can express it: what w knows exactly stays exact; failures move
// between the two forms of counting at the precision of a bucket. Successes are
// known in time only where a ratio rule counted them; beside failures that a ratio
// takes over from the ring they are taken as evenly spread since w began, or the
// ratio would be of failures alone. successes is the sum of all that the breaker
// has seen by now. REQUIRES: the breaker's mutex.
func (w *window) carriedLocked(from, r *rules, single bool, now clock.Instant, successes uint64) window {
	out := newWindow(r, single, w.began, w.before)
	if out.run != nil && w.run != nil {
		out.run = w.run // shared: successes of calls in flight still set it to zero
	}
	w.carryBuckets(&out, from, r)
	if out.buckets != nil && w.buckets == nil && w.ring != nil {
		out.buckets.spread(successes-w.before, w.began, now)
	}
	w.carryRing(&out)
	return out
}

func (w *window) carryRing(out *window) {
	switch {
	case out.ring == nil:
	case w.ring != nil:
		out.ring = w.ring.resized(out.ring.cap)
	case w.buckets != nil:
		for _, at := range w.buckets.failureTimes(out.ring.cap) {
			out.ring.add(at)
		}
	}
}

func (w *window) carryBuckets(out *window, from, r *rules) {
	switch {
	case out.buckets == nil:
	case w.buckets != nil && from.Window == r.Window:
		out.buckets = w.buckets
	case w.buckets != nil:
		w.buckets.each(func(at clock.Instant, calls, packed uint64) {
			out.buckets.addMany(out.buckets.epoch(at), calls, packed)
		})
	case w.ring != nil:
		for i := range w.ring.times {
			out.buckets.add(w.ring.at(i), true, false)
		}
	}
}

// spread counts the part of n calls, made evenly from began to now, that the
// window holds.
func (b *buckets) spread(n uint64, began, now clock.Instant) {
	last := b.epoch(now)
	begin := min(b.epoch(began), last)
	perSlice := float64(n) / float64(last-begin+1)
	first := max(begin, last-b.slices+1)
	for i, done := 1, uint64(0); first <= last; i, first = i+1, first+1 {
		sum := uint64(perSlice * float64(i))
		b.addMany(first, sum-done, 0)
		done = sum
	}
}

// failureTimes returns the times of the newest failures, at most limit of them,
// rising; each is the start of its slice, which errs on the side of closed.
func (b *buckets) failureTimes(limit int) []clock.Instant {
	var times []clock.Instant
	b.each(func(at clock.Instant, _, packed uint64) {
		for range min(packed>>32, uint64(limit)) {
			times = append(times, at)
		}
	})
	slices.Sort(times)
	return times[max(0, len(times)-limit):]
}
