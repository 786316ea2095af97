package breaker

import (
	"sort"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// ring keeps the times of the last N failures, which is all that "N failures
// within the window" needs, exactly. Its memory grows with the failures it has
// seen, up to N. It is guarded by the breaker's mutex.
type ring struct {
	times []clock.Instant // rising, from next on when full
	next  int
	cap   int
}

func newRing(n int) *ring { return &ring{cap: n} }

// add records a failure. A time before the last one is moved up to it: calls
// read the clock outside the lock and may arrive in another order.
func (r *ring) add(now clock.Instant) {
	if n := len(r.times); n > 0 {
		now = max(now, r.at(n-1))
	}
	if len(r.times) < r.cap {
		r.times = append(r.times, now)
		return
	}
	r.times[r.next] = now
	r.next = (r.next + 1) % r.cap
}

// at returns the i-th oldest time.
func (r *ring) at(i int) clock.Instant { return r.times[(r.next+i)%len(r.times)] }

// within counts the failures that are younger than window at now.
func (r *ring) within(now clock.Instant, window time.Duration) int {
	n := len(r.times)
	return n - sort.Search(n, func(i int) bool { return now.Sub(r.at(i)) < window })
}

// resized returns a ring for n failures with the newest of r's.
func (r *ring) resized(n int) *ring {
	out := newRing(n)
	for i := range r.times {
		out.add(r.at(i))
	}
	return out
}
