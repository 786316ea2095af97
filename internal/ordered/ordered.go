// Package ordered delivers events one at a time, in the order in which they were
// added, outside every lock and without a goroutine of its own.
package ordered

import (
	"sync"
	"sync/atomic"
)

// Queue holds events that wait for delivery. Whoever caused one adds it under the lock
// that orders the causes, and delivers after the lock is released. If another caller is
// delivering at that moment, or the handler that caused the event is running, that
// delivery goes on with it; so handlers run one at a time and may cause events
// themselves. The zero value is empty and ready; a Queue must not be copied.
type Queue[E any] struct {
	waiting atomic.Bool // something is queued or being delivered

	mu         sync.Mutex // guards the fields below; nothing is called under it
	queue      []E
	missed     uint64 // dropped before the first of queue
	delivering bool
}

// Bound is how many events wait at most. It bounds the memory that a handler which
// never returns can cost.
const Bound = 1024

// Add adds e. A full queue drops its oldest event: the newest say more.
func (q *Queue[E]) Add(e E) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == Bound {
		q.queue = q.queue[1:]
		q.missed++
	}
	q.queue = append(q.queue, e)
	q.waiting.Store(true)
}

// Deliver calls handle with every event that is queued, unless another caller is at
// it; missed is how many events just before this one were dropped. If handle panics
// or ends the goroutine, the rest is delivered before that goes on. With nothing
// queued it costs one atomic load.
func (q *Queue[E]) Deliver(handle func(e E, missed uint64)) {
	if !q.waiting.Load() || !q.claim() {
		return
	}
	finished := false
	defer func() {
		if !finished {
			q.release()
			q.Deliver(handle)
		}
	}()
	for {
		e, missed, ok := q.next()
		if !ok {
			break
		}
		handle(e, missed)
	}
	finished = true
}

func (q *Queue[E]) claim() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.delivering {
		return false
	}
	q.delivering = true
	return true
}

func (q *Queue[E]) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.delivering = false
}

// next takes the oldest event; finding none, it ends the delivery in the same
// critical section, so that no event can slip in between.
func (q *Queue[E]) next() (e E, missed uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		q.delivering = false
		q.waiting.Store(false)
		q.queue = nil
		return e, 0, false
	}
	e, missed = q.queue[0], q.missed
	clear(q.queue[:1]) // the array may outlive its first events by many
	q.queue, q.missed = q.queue[1:], 0
	return e, missed, true
}
