package ratelimit

import (
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/internal/key"
)

// waiters are the calls that wait for their turn, one queue for each key. A
// waiter takes nothing until its turn has come, so one that gives up leaves no
// trace and everybody behind it moves up. While a key has waiters, calls that do
// not wait are refused: nobody overtakes.
//
// Every queue has a lock of its own, under which a call joins or leaves in a few
// steps however long the queue is: when thousands give up at once, calls of other
// keys do not stand behind them.
type waiters struct {
	count atomic.Int64

	mu     sync.RWMutex // guards queues
	queues map[key.Hash]*waitQueue
}

type waitQueue struct {
	hash  key.Hash
	calls atomic.Int64 // in line, or about to join; rises under waiters.mu only
	cost  atomic.Int64 // of all in line together, cut off at the greatest int64

	mu   sync.Mutex // guards the fields below and the links of the waiters
	last *waiter
	sum  wide // is cost, not cut off
}

type waiter struct {
	queue      *waitQueue
	cost       int64
	head       chan struct{} // closed when it is first in its queue
	prev, next *waiter
}

// join puts a call at the end of its queue and returns what those ahead cost.
func (ws *waiters) join(h key.Hash, cost int64) (w *waiter, ahead int64) {
	w = &waiter{queue: ws.queue(h), cost: cost, head: make(chan struct{})}
	ahead = w.queue.join(w)
	ws.count.Add(1)
	return w, ahead
}

// queue returns the queue of a key and counts the call that is about to join.
func (ws *waiters) queue(h key.Hash) *waitQueue {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.queues == nil {
		ws.queues = make(map[key.Hash]*waitQueue)
	}
	q := ws.queues[h]
	if q == nil {
		q = &waitQueue{hash: h}
		ws.queues[h] = q
	}
	q.calls.Add(1)
	return q
}

func (q *waitQueue) join(w *waiter) (ahead int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	ahead = q.sum.int64()
	if w.prev = q.last; w.prev != nil {
		w.prev.next = w
	} else {
		close(w.head)
	}
	q.last = w
	q.costLocked(q.sum.plus(wideOf(w.cost)))
	return ahead
}

func (q *waitQueue) costLocked(sum wide) {
	q.sum = sum
	q.cost.Store(sum.int64())
}

// leave takes a call out of its queue; if it was the first the next one is.
func (ws *waiters) leave(w *waiter) {
	q := w.queue
	q.leave(w)
	ws.count.Add(-1)
	if q.calls.Add(-1) > 0 {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if q.calls.Load() == 0 && ws.queues[q.hash] == q { // nobody has come meanwhile, nor come and gone
		delete(ws.queues, q.hash)
	}
}

func (q *waitQueue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		q.last = w.prev
	}
	switch {
	case w.prev != nil:
		w.prev.next = w.next
	case w.next != nil:
		close(w.next.head)
	}
	q.costLocked(q.sum.minus(wideOf(w.cost)))
}

// ahead returns what the waiting calls of a key cost together.
func (ws *waiters) ahead(h key.Hash) int64 {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	if q := ws.queues[h]; q != nil {
		return q.cost.Load()
	}
	return 0
}
