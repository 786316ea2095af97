package pool

import (
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// waiter is a borrower that waits. The pool's lock guards it while it is queued;
// whoever takes it out of the queue writes the answer and then sends on ready,
// which hands the answer over. It is reused, so exactly one send and one receive
// follow each queueing, unless its owner took it out himself.
type waiter[T any] struct {
	ready    chan struct{} // of capacity 1: a send never blocks
	deadline clock.Instant
	noWait   bool
	queued   bool

	got     borrowing[T] // the answer, or
	refused refusal      // why there is none

	next, prev *waiter[T]
}

// queue holds waiters in the order in which they are served.
type queue[T any] struct {
	first, last *waiter[T]
	len         int
}

func (q *queue[T]) push(w *waiter[T]) {
	w.prev, w.next, w.queued = q.last, nil, true
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	q.len++
}

// unshift puts w before all others.
func (q *queue[T]) unshift(w *waiter[T]) {
	w.prev, w.next, w.queued = nil, q.first, true
	if q.first == nil {
		q.last = w
	} else {
		q.first.prev = w
	}
	q.first = w
	q.len++
}

func (q *queue[T]) remove(w *waiter[T]) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.next, w.prev, w.queued = nil, nil, false
	q.len--
}

// dismissLocked refuses every waiter that which selects. The sends happen under
// the lock: they do not block, and waiters are refused in bulk only on rare edges.
func (p *Pool[T]) dismissLocked(why refusal, which func(*waiter[T]) bool) {
	for w := p.queue.first; w != nil; {
		next := w.next
		if which(w) {
			p.queue.remove(w)
			w.refused = why
			w.ready <- struct{}{}
		}
		w = next
	}
}

func everyone[T any](*waiter[T]) bool { return true }

// expire is what the expiry alarm runs: it refuses the waiters whose time is
// over. One alarm for the whole queue costs a waiter nothing as long as nobody
// times out; a timer for each would cost more than the hand-over itself.
func (p *Pool[T]) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := clock.Now()
	p.dismissLocked(refusal{code: fault.PoolTimeout}, func(w *waiter[T]) bool { return w.deadline <= now })
	if p.queue.len == 0 {
		return
	}
	soonest := p.queue.first.deadline
	for w := p.queue.first.next; w != nil; w = w.next {
		soonest = min(soonest, w.deadline)
	}
	p.armLocked(&p.expiry, now, soonest)
}
