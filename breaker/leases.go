package breaker

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// leases records who holds the places of probes. A place that is not given back
// by the end of its lease is free again, so a lost probe cannot wedge the
// breaker. It is guarded by the breaker's mutex.
type leases struct {
	held   []lease
	serial uint64
}

type lease struct {
	serial  uint64
	expires clock.Instant
}

func (l *leases) clear() { l.held = l.held[:0] }

// grant adds a lease and returns its serial, which is never zero.
func (l *leases) grant(now clock.Instant, d time.Duration) uint64 {
	l.serial++
	l.held = append(l.held, lease{l.serial, now.Add(d)})
	return l.serial
}

// settle ends the lease and reports whether it was still valid.
func (l *leases) settle(serial uint64, now clock.Instant) bool {
	for i, held := range l.held {
		if held.serial == serial && now < held.expires {
			l.remove(i)
			return true
		}
	}
	return false
}

func (l *leases) remove(i int) {
	last := len(l.held) - 1
	l.held[i] = l.held[last]
	l.held = l.held[:last]
}

// expire removes one lease that has ended and reports whether there was one.
func (l *leases) expire(now clock.Instant) bool {
	for i, held := range l.held {
		if now >= held.expires {
			l.remove(i)
			return true
		}
	}
	return false
}

// live counts the leases that have not ended.
func (l *leases) live(now clock.Instant) int {
	n := 0
	for _, held := range l.held {
		if now < held.expires {
			n++
		}
	}
	return n
}

// earliest is when the next lease ends. REQUIRES: at least one is held.
func (l *leases) earliest() clock.Instant {
	first := clock.Max
	for _, held := range l.held {
		first = min(first, held.expires)
	}
	return first
}
