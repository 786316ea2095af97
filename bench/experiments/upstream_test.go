package experiments_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// What all experiments have in common.
const (
	places   = 10
	service  = 10 * time.Millisecond // on average, exponentially distributed
	capacity = 1000.0                // calls per second: places / service
	deadline = 100 * time.Millisecond
)

// upstream is a server that works on as many calls at once as it has places, and lets the
// others wait in one queue, first come, first served. Its latency grows as its queue does.
type upstream struct {
	// notices says that it drops a call whose caller has left before its turn. Most servers
	// do not notice, and do work that nobody waits for.
	notices bool
	// during says how the upstream is at a time; nil is as usual all along.
	during func(time.Time) phase

	mu   sync.Mutex
	free [places]time.Time // when each place has done what was given to it
}

// serve works on a call, which usually takes so long once its turn has come.
func (u *upstream) serve(ctx context.Context, takes time.Duration) error {
	ends, served := u.queue(ctx, takes)
	if !served {
		<-ctx.Done()
		return ctx.Err()
	}
	timer := time.NewTimer(time.Until(ends))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// at is how the upstream is at a time.
func (u *upstream) at(t time.Time) phase {
	if u.during == nil {
		return phase{}
	}
	return u.during(t)
}

// queue finds out when the call will have been served. In a queue of this kind that is known
// on arrival: its turn comes at the place that is free first.
func (u *upstream) queue(ctx context.Context, takes time.Duration) (ends time.Time, served bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	place, as := 0, u.at(time.Now())
	for i := range cmp.Or(as.places, places) {
		if u.free[i].Before(u.free[place]) {
			place = i
		}
	}
	begins := slices.MaxFunc([]time.Time{time.Now(), u.free[place]}, time.Time.Compare)
	if until, ok := ctx.Deadline(); u.notices && ok && !begins.Before(until) {
		return time.Time{}, false
	}
	u.free[place] = begins.Add(time.Duration(float64(takes) * max(u.at(begins).slower, 1)))
	return u.free[place].Add(as.delay), true
}
