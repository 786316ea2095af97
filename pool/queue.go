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

	got     borrowing[T] // the answer, or
	refused refusal      // why there is none

	node node[waiter[T]] // in the queue
}

// queue holds waiters in the order in which they are served. The zero value is empty.
type queue[T any] struct{ list[waiter[T]] }

func (q *queue[T]) push(w *waiter[T])    { q.insertAfter(q.last, &w.node) }
func (q *queue[T]) unshift(w *waiter[T]) { q.insertAfter(nil, &w.node) }
func (q *queue[T]) remove(w *waiter[T])  { q.list.remove(&w.node) }

// dismissLocked refuses every waiter that which selects. The sends happen under
// the lock: they do not block, and waiters are refused in bulk only on rare edges.
func (p *Pool[T]) dismissLocked(why refusal, which func(*waiter[T]) bool) {
	for n := p.queue.first; n != nil; {
		w, next := n.of, n.next
		if which(w) {
			p.queue.remove(w)
			w.refused = why
			w.ready <- struct{}{}
		}
		n = next
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
	soonest := clock.Max
	for n := p.queue.first; n != nil; n = n.next {
		soonest = min(soonest, n.of.deadline)
	}
	p.armLocked(&p.expiry, now, soonest)
}
