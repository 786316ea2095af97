package redis

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/ratelimit/shared"
)

// Tags are the hash tags of keys.
var Tags = tags[:]

// MaxQueue bounds the calls that wait in a lane.
const MaxQueue = maxQueue

// KeyOf is where a counter is kept.
func (s *Store) KeyOf(t shared.Take) string {
	name, _ := s.keyOf(t.Rule.Name, t.Key)
	return name
}

// SetClock makes the store count by a clock of the test, in ticks of its own: a key
// outlives its use by ten minutes of the server's time, and a step back of up to a second
// is a small one. Rules that are valid in microseconds are in ticks.
func (s *Store) SetClock(now *atomic.Int64, tick time.Duration) {
	s.tick = tick
	s.check = func(r shared.Rule) error {
		r.Config.Per *= time.Microsecond / tick
		return r.Validate()
	}
	s.clock = func(to []byte) []byte {
		to = putUint(to, now.Load()/int64(tick), 7)
		to = putUint(to, int64(time.Millisecond/tick), 7)
		to = putUint(to, 600_000, 7)
		return putUint(to, int64(time.Second/tick), 7)
	}
}

// Waiting returns whether a call is on its way to a server, and how many wait for it.
func (s *Store) Waiting() (sending bool, queued int) {
	for i := range s.lanes {
		l := &s.lanes[i]
		l.mu.Lock()
		sending, queued = sending || l.sending, queued+len(l.queue)
		l.mu.Unlock()
	}
	return sending, queued
}
