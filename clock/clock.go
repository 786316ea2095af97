// Package clock gives the monotonic time that the state machines compute with.
//
// An [Instant] is a plain integer, so that state machines stay pure functions of
// (state, event, now) and so that an instant fits in one atomic word. Instants
// compare only within one process.
//
// The clock is time.Since of a fixed start and not a linknamed nanotime: inside
// a testing/synctest bubble only the former follows the bubble's virtual time.
package clock

import (
	"context"
	"time"
)

// Instant is a point of monotonic time in nanoseconds since an arbitrary start.
// It may be zero or negative (in a synctest bubble the clock starts elsewhere),
// so a field that can hold any instant cannot use a value of it for "not set".
// Where an option does, as those of package pool do with 0, an instant that happens to
// be 0 is read from the clock again.
type Instant int64

var start = time.Now()

// Now reads the monotonic clock. It is safe for concurrent use.
func Now() Instant { return Instant(time.Since(start)) }

// Of returns the instant of t without reading the clock: exactly, if t has a
// monotonic reading, as the deadlines of contexts mostly do.
func Of(t time.Time) Instant { return Instant(t.Sub(start)) }

// Sleep waits for d or for the end of ctx, whichever is first, and reports whether d has
// passed.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Add returns i+d, saturating at the ends of the range instead of wrapping.
func (i Instant) Add(d time.Duration) Instant {
	sum := i + Instant(d)
	if d > 0 && sum < i {
		return Max
	}
	if d < 0 && sum > i {
		return Min
	}
	return sum
}

// Sub returns the duration i-j, saturating at the ends of the range.
func (i Instant) Sub(j Instant) time.Duration {
	d := i - j
	if i > j && d < 0 {
		return time.Duration(Max)
	}
	if i < j && d > 0 {
		return time.Duration(Min)
	}
	return time.Duration(d)
}

// Time converts i to wall time, for people and for records; two conversions of
// one instant differ by what the wall clock was adjusted between them.
func (i Instant) Time() time.Time {
	now := time.Now()
	return now.Add(i.Sub(Instant(now.Sub(start))))
}

// The ends of the range of instants.
const (
	Max Instant = 1<<63 - 1
	Min Instant = -1 << 63
)
