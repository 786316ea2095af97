// Package sampler bounds how many lines of a log strangers can cause.
package sampler

import (
	"sync"
	"time"
)

// Every is the pause between two lines of one sampler.
const Every = time.Second

// Sampler lets one line of a kind through in each [Every]. What strangers can
// cause at will must not fill the log; a counter has the rest. The zero value is
// ready. It is safe for concurrent use.
type Sampler struct {
	// mu guards the fields below.
	mu      sync.Mutex
	next    time.Time
	omitted uint64
}

// Allow reports whether a line may be written now, and how many were left out since
// the last one.
func (s *Sampler) Allow(now time.Time) (omitted uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.next) {
		s.omitted++
		return 0, false
	}
	omitted, s.omitted, s.next = s.omitted, 0, now.Add(Every)
	return omitted, true
}
