// Package groupcommit lets callers that write at once share a transaction: they queue,
// and one goroutine of the store takes as many of them as one transaction should hold.
package groupcommit

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// The bounds of one transaction, so that nobody waits long for others.
const (
	MaxEvents = 4096
	MaxBytes  = 8 << 20
)

// Request is what one caller wants written: events, or without any what Alone does in a
// transaction of its own. The type A of Alone is the store's: it runs it.
type Request[A any] struct {
	Events []eventstore.Event
	Named  []int // places of the events that the caller named
	Alone  A
	// Err is the answer to this request alone. It belongs to the goroutine that took the
	// request until [Finish].
	Err error

	size  int // of the events, in bytes
	state atomic.Int32
	done  chan struct{} // closed when Err is set
}

// The states of a request: one that waits may be withdrawn by its caller or taken by
// the writer, whichever is first.
const (
	waiting int32 = iota
	taken
	withdrawn
)

// Append returns the request to store events, or nil if there are none.
func Append[A any](now time.Time, given []eventstore.Event) (*Request[A], error) {
	prepared, err := eventstore.Prepare(now, given)
	if err != nil || len(prepared) == 0 {
		return nil, err
	}
	r := &Request[A]{Events: prepared}
	for i := range given {
		if given[i].ID != "" {
			r.Named = append(r.Named, i)
		}
		r.size += prepared[i].Size()
	}
	return r, nil
}

// Finish answers the callers of a group: with err, or without one each with its own Err.
func Finish[A any](group []*Request[A], err error) {
	for _, r := range group {
		if err != nil {
			r.Err = err
		}
		close(r.done)
	}
}

// Queue is safe for concurrent use, except that one goroutine alone calls Run and Take.
// Make one with [NewQueue].
type Queue[A any] struct {
	mu       sync.Mutex // guards what follows
	requests []*Request[A]
	closed   bool

	wake chan struct{} // holds one: there is something in the queue, or it is closed
}

// NewQueue returns an empty queue.
func NewQueue[A any]() *Queue[A] { return &Queue[A]{wake: make(chan struct{}, 1)} }

// Submit hands a request to the goroutine that writes and waits for its end, or that of
// ctx.
func (q *Queue[A]) Submit(ctx context.Context, r *Request[A]) error {
	if err := Canceled(ctx); err != nil {
		return err
	}
	r.done = make(chan struct{})
	if !q.add(r) {
		return Closed()
	}
	select {
	case <-r.done:
		return r.Err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, withdrawn) {
		return NewFault(fault.Canceled, "nothing was stored", context.Cause(ctx))
	}
	return NewFault(fault.Canceled, "the context ended during the write, which may be stored or not", context.Cause(ctx))
}

func (q *Queue[A]) add(r *Request[A]) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.requests = append(q.requests, r)
	q.nudge()
	return true
}

func (q *Queue[A]) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Close refuses later requests. Run returns when those that wait have been served.
func (q *Queue[A]) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.nudge()
}

// IsClosed reports whether [Queue.Close] was called.
func (q *Queue[A]) IsClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Run calls serve whenever requests wait, until the queue is closed and none does. Serve
// takes what it serves itself: whoever comes while it prepares still joins the group.
func (q *Queue[A]) Run(serve func()) {
	for range q.wake {
		for q.waits() {
			serve()
		}
		if q.IsClosed() && !q.waits() {
			return
		}
	}
}

// waits drops what was withdrawn at the head of the queue, and reports whether
// anything is left.
func (q *Queue[A]) waits() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.requests) && q.requests[n].state.Load() == withdrawn {
		n++
	}
	q.requests = slices.Delete(q.requests, 0, n)
	return len(q.requests) > 0
}

// Take adds to the group what waits and may share its transaction: neighbours that
// hold events, as many as fit, or one request that stands alone.
func (q *Queue[A]) Take(group []*Request[A]) []*Request[A] {
	events, size := 0, 0
	for _, r := range group {
		events += len(r.Events)
		size += r.size
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, r := range q.requests {
		events += len(r.Events)
		size += r.size
		if len(group) > 0 && (len(r.Events) == 0 || len(group[0].Events) == 0 || events > MaxEvents || size > MaxBytes) {
			break
		}
		if n++; r.state.CompareAndSwap(waiting, taken) {
			group = append(group, r)
		}
	}
	q.requests = slices.Delete(q.requests, 0, n)
	return group
}
