package pool

import "github.com/elixirscope/foundation/internal/clock"

// slot is one worker and what the pool knows of it. The pool's lock guards it,
// but for value, boxed and expires, which never change.
type slot[T any] struct {
	value   T
	boxed   any // value, boxed once, so that loans do not allocate
	expires clock.Instant
	place   int // in Pool.slots

	// generation names the present borrowing. It changes whenever one ends, which is
	// what refuses a second return.
	generation uint64
	lent       bool
	verify     bool          // the borrower, who reads this without the lock, is to check the worker
	trace      bool          // the borrower is to note its stack
	suspect    bool          // the last borrower's operation failed
	since      clock.Instant // when the present borrowing or idling began
	proven     clock.Instant // when the worker was last known to be fit

	reported bool      // the present borrowing is known as a leak
	stack    []uintptr // of the present borrower, if leaks are reported

	next, prev *slot[T] // in the idle list
	idling     bool
}

// idleList holds the idle workers, the one that is idle for longest first. The
// zero value is empty.
type idleList[T any] struct {
	first, last *slot[T]
	len         int
}

// pop removes the worker that is to be lent next, nil if there is none.
func (l *idleList[T]) pop(s Strategy) *slot[T] {
	next := l.last
	if s == FIFO {
		next = l.first
	}
	if next != nil {
		l.remove(next)
	}
	return next
}

func (l *idleList[T]) remove(s *slot[T]) {
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.next, s.prev, s.idling = nil, nil, false
	l.len--
}

// push adds s as the one that came last.
func (l *idleList[T]) push(s *slot[T]) { l.insertAfter(l.last, s) }

// insert adds s where its idle time puts it.
func (l *idleList[T]) insert(s *slot[T]) {
	var after *slot[T]
	for o := l.first; o != nil && o.since <= s.since; o = o.next {
		after = o
	}
	l.insertAfter(after, s)
}

func (l *idleList[T]) insertAfter(o, s *slot[T]) {
	s.prev, s.next = o, l.first
	if o != nil {
		s.next, o.next = o.next, s
	} else {
		l.first = s
	}
	if s.next != nil {
		s.next.prev = s
	} else {
		l.last = s
	}
	s.idling = true
	l.len++
}
