package ratelimit

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// Reservation is a place in the future, given by [Limiter.Reserve]. It is a
// value; cancel one copy of it only.
type Reservation struct {
	// OK is whether there is a place. If not, Decision says why.
	OK bool
	// Decision has the numbers. Its RetryAfter is the wait as it was when the
	// reservation was made. Under a rule in shadow mode that has no place free at
	// once it is what that rule would have asked for, and delays nobody.
	Decision Decision
}

// Delay is how long to wait, from now, before the call may go on: 0 if its turn
// has come, and also if there is no place.
func (r *Reservation) Delay() time.Duration { return r.delayAt(clock.Now()) }

func (r *Reservation) delayAt(now clock.Instant) time.Duration {
	if !r.OK {
		return 0
	}
	return max(0, r.Decision.at.Add(r.Decision.wait).Sub(now))
}

// Cancel gives the place back because the call will not happen. What a later
// reservation was given on top of it cannot be given to anybody else any more:
// then only the rest comes back. After its turn the call counts as made, and
// nothing comes back, so Cancel may be deferred; use [Decision.Refund] for a call
// that did not happen in spite of its turn.
func (r *Reservation) Cancel() { r.cancelAt(clock.Now()) }

func (r *Reservation) cancelAt(now clock.Instant) {
	if now <= r.Decision.at.Add(r.Decision.wait) {
		r.Decision.RefundAt(now)
	}
}

// Reserve takes the next place for a call of key with the given cost and tells how
// long to wait for it. Only gcra and leaky_bucket give out places in the future; under
// the other algorithms, and of a limiter with a [Remote], a reservation is OK only if the
// call may go at once. Reservations
// do not queue behind calls in [Limiter.Wait]: use one or the other for a key.
// Wait is simpler; Reserve is for callers that can do something else meanwhile.
func (l *Limiter) Reserve(key Key, cost int64) Reservation {
	return l.reserveAt(clock.Now(), key, cost)
}

func (l *Limiter) reserveAt(now clock.Instant, key Key, cost int64) Reservation {
	var d Decision
	l.decide(context.Background(), &d, &key, call{now: now, cost: cost, patience: time.Duration(maxInt64)})
	l.report(context.Background(), &d, &key)
	return Reservation{OK: d.OK, Decision: d}
}
