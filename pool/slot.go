package pool

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
)

// slot is one worker and what the pool knows of it. The pool's lock guards it, but
// for value, item, owner, era and expires, which never change, for the atomics, and for proven
// and idled, which belong to whoever holds the worker: the borrower, the lane that
// it lies in, or the pool.
type slot[T any] struct {
	value   T
	item    Item // the value and this slot, boxed once, so that loans do not allocate
	owner   *Pool[T]
	era     uint64 // how many resets there had been when its making began
	expires clock.Instant
	place   int // in Pool.slots

	// generation names the present borrowing. It changes whenever one ends, which is
	// what refuses a second return.
	generation atomic.Uint64
	lent       bool
	lentAs     uint64        // the generation of the present borrowing, for the report of leaks
	verify     bool          // the borrower, who reads this without the lock, is to check the worker
	trace      bool          // the borrower is to note its stack
	suspect    bool          // the last borrower's operation failed
	since      clock.Instant // when the present borrowing began, unless in a lane
	laned      atomic.Int64  // when the present borrowing began in a lane, an Instant; notLaned if it did not
	idled      clock.Instant // when the worker came back last
	proven     clock.Instant // when the worker was last known to be fit

	reported bool      // the present borrowing is known as a leak
	stack    []uintptr // of the present borrower, if leaks are reported

	node node[slot[T]] // in the idle list
}

// notLaned is not the time of any borrowing.
const notLaned = int64(clock.Min)

// began is when the present borrowing began. The borrower may call it, and whoever
// holds the pool's lock. since is written under the lock; laned, an atomic store that
// costs about half as much as the lock, only by a borrower that does without it.
func (s *slot[T]) began() clock.Instant {
	if at := s.laned.Load(); at != notLaned {
		return clock.Instant(at)
	}
	return s.since
}

// borrowedFor is how long the present borrowing lasts; see began.
func (s *slot[T]) borrowedFor(now clock.Instant) time.Duration { return now.Sub(s.began()) }

// idleList holds the idle workers, the one that is idle for longest first. The
// zero value is empty.
type idleList[T any] struct{ list[slot[T]] }

// pop removes the worker that is to be lent next, nil if there is none.
func (l *idleList[T]) pop(strategy Strategy) *slot[T] {
	next := l.last
	if strategy == FIFO {
		next = l.first
	}
	if next == nil {
		return nil
	}
	l.list.remove(next)
	return next.of
}

func (l *idleList[T]) remove(s *slot[T]) { l.list.remove(&s.node) }

// push adds s as the one that came last.
func (l *idleList[T]) push(s *slot[T]) { l.insertAfter(l.last, &s.node) }

// insert adds s where its idle time puts it.
func (l *idleList[T]) insert(s *slot[T]) {
	var after *node[slot[T]]
	for n := l.first; n != nil && n.of.idled <= s.idled; n = n.next {
		after = n
	}
	l.insertAfter(after, &s.node)
}
