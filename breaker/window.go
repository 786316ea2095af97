package breaker

import (
	"sync/atomic"

	"github.com/elixirscope/foundation/clock"
)

// window holds what the rules count, each part only if a rule needs it. Parts
// are replaced, never resized in place, because calls use them without a lock.
type window struct {
	ring    *ring         // failure_threshold; guarded by the breaker's mutex
	buckets *buckets      // the ratio rules; atomic
	run     *atomic.Int64 // consecutive_failures; written under the mutex, read without it
}

func newWindow(r *rules, single bool) window {
	var w window
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

// running reports whether a run of failures waits for a success to end it.
func (w *window) running() bool { return w.run != nil && w.run.Load() != 0 }

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

// revokeLocked takes back a call that was counted in from at the given instant. Counts
// that were begun afresh since do not hold it. REQUIRES: the breaker's mutex.
func (w *window) revokeLocked(from *buckets, at clock.Instant) {
	if from != nil && from == w.buckets {
		from.remove(at)
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

// underLocked returns a window for the rules r that keeps what w counted in the same
// form and, but for failures in a row, over the same length of time. The rest begins
// afresh: what one form tells about another is a guess. REQUIRES: the breaker's mutex.
func (w *window) underLocked(from, r *rules, single bool) window {
	out := newWindow(r, single)
	if out.run != nil && w.run != nil {
		out.run = w.run // shared: successes of calls in flight still set it to zero
	}
	if from.Window != r.Window {
		return out
	}
	if out.ring != nil && w.ring != nil {
		out.ring = w.ring.resized(r.FailureThreshold)
	}
	if out.buckets != nil && w.buckets != nil {
		out.buckets = w.buckets
	}
	return out
}
