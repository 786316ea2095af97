package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// flights are the requests of a route that are in flight, in the order in which they began,
// so that the oldest is found at once: a request that hangs is what an operator looks for. A
// request is a node of the list itself, and begins and ends in one of a few lists, so that
// requests do not wait for one another. The zero value is ready.
type flights struct {
	next   atomic.Uint32
	shards [flightShards]flightList
}

const flightShards = 8

type flightList struct {
	// mu guards the fields below and those of the nodes. Nothing is called under it.
	mu          sync.Mutex
	first, last *requestInfo
	_           [40]byte
}

// flight makes a request a node of a list.
type flight struct {
	before, after *requestInfo
	shard         uint32 // and one more; 0: in no list
	began         clock.Instant
}

func (f *flights) add(i *requestInfo) {
	i.shard = f.next.Add(1)%flightShards + 1
	l := &f.shards[i.shard-1]
	l.mu.Lock()
	defer l.mu.Unlock()
	if i.before = l.last; i.before != nil {
		i.before.after = i
	} else {
		l.first = i
	}
	l.last = i
}

func (f *flights) remove(i *requestInfo) {
	if i.shard == 0 {
		return
	}
	l := &f.shards[i.shard-1]
	l.mu.Lock()
	defer l.mu.Unlock()
	if i.before != nil {
		i.before.after = i.after
	} else {
		l.first = i.after
	}
	if i.after != nil {
		i.after.before = i.before
	} else {
		l.last = i.before
	}
	i.before, i.after, i.shard = nil, nil, 0
}

// oldest is for how long the request is in flight that began first, 0 if there is none.
func (f *flights) oldest(now clock.Instant) (age time.Duration) {
	for s := range f.shards {
		l := &f.shards[s]
		l.mu.Lock()
		if l.first != nil {
			age = max(age, now.Sub(l.first.began))
		}
		l.mu.Unlock()
	}
	return age
}
