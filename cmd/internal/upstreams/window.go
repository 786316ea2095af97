package upstreams

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// slots is how many parts a window has: it is exact to one of them.
const slots = 10

// window counts the attempts of the last while.
type window [slots]slot

type slot struct {
	number    int64 // which part of time it counts
	good, bad uint32
}

func slotOf(now clock.Instant, width time.Duration) int64 {
	part := max(1, int64(width)/slots)
	n := int64(now) / part
	if int64(now)%part < 0 {
		n--
	}
	return n
}

func (w *window) add(now clock.Instant, width time.Duration, failed bool) {
	n := slotOf(now, width)
	s := &w[uint64(n)%slots]
	if s.number != n {
		*s = slot{number: n}
	}
	if failed {
		s.bad++
	} else {
		s.good++
	}
}

// count returns the attempts within the window that ends now.
func (w *window) count(now clock.Instant, width time.Duration) (bad, all int) {
	n := slotOf(now, width)
	for i := range w {
		if s := &w[i]; s.number > n-slots && s.number <= n {
			bad += int(s.bad)
			all += int(s.bad) + int(s.good)
		}
	}
	return bad, all
}
