package perf

import "time"

// seconds is how many of them are kept one by one.
const seconds = 300

// second is one second of an operation.
type second struct {
	small

	quantile [quantiles]uint16 // buckets of the finest scale, counted from 1
	inFlight uint16
}

// secondRing keeps the last seconds. A second without calls is not written: what was not
// reached in between is cleared when the next call comes.
type secondRing struct {
	last int64 // the newest second that was written, in Unix time
	at   [seconds]second
}

func (r *secondRing) put(now int64, s second) {
	for t := max(r.last+1, now-seconds+1); t < now; t++ {
		r.at[t%seconds] = second{}
	}
	if now > r.last {
		r.last = now
	}
	r.at[now%seconds] = s
}

// get returns one second; ok is false where it is not kept.
func (r *secondRing) get(t, now int64) (s second, ok bool) {
	if t <= now-seconds || t > now {
		return second{}, false
	}
	if t > r.last || t <= r.last-seconds {
		return second{}, true // kept, and nothing happened
	}
	return r.at[t%seconds], true
}

func (s *second) took(i int) time.Duration {
	if s.quantile[i] == 0 {
		return 0
	}
	return finest.middle(int(s.quantile[i]) - 1)
}
