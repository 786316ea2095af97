package pgstore

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// The bounds of one transaction, so that nobody waits long for others.
const (
	groupEvents = 4096
	groupBytes  = 8 << 20
)

// request is what one caller wants written: events, or something else in a transaction
// of its own.
type request struct {
	events []eventstore.Event
	named  []int // places of the events that the caller named
	size   int   // of the events, in bytes
	alone  func(context.Context, *pgx.Conn) error

	state atomic.Int32
	err   error
	done  chan struct{} // closed when err is set
}

// The states of a request: one that waits may be withdrawn by its caller or taken by
// the writer, whichever is first.
const (
	waiting int32 = iota
	taken
	withdrawn
)

// writer owns the connection that writes and the goroutine that uses it.
type writer struct {
	connector

	text statements
	conn *pgx.Conn       // nil if there is none
	life context.Context //nolint:containedctx // ended by stop, of everything that the goroutine does
	end  context.CancelFunc

	mu     sync.Mutex // guards what follows
	queue  []*request
	closed bool

	wake chan struct{} // holds one: there is something in the queue, or it is closed
	done chan struct{} // closed when the goroutine has ended
}

// startWriter starts the goroutine, to which conn belongs from then on.
func startWriter(c connector, conn *pgx.Conn, text statements) *writer {
	w := &writer{connector: c, conn: conn, text: text, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.life, w.end = context.WithCancel(context.Background())
	go w.loop()
	return w
}

// submit hands a request to the writer and waits for its end, or that of ctx.
func (w *writer) submit(ctx context.Context, r *request) error {
	if err := canceled(ctx); err != nil {
		return err
	}
	r.done = make(chan struct{})
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return closed()
	}
	w.queue = append(w.queue, r)
	w.mu.Unlock()
	w.nudge()
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
	}
	if r.state.CompareAndSwap(waiting, withdrawn) {
		return newFault(fault.Canceled, "nothing was stored", context.Cause(ctx))
	}
	return newFault(fault.Canceled, "the context ended during the write, which may be stored or not", context.Cause(ctx))
}

func (w *writer) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// stop lets the writer finish what waits, for as long as one exchange may take, and
// waits for its end.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	timer := time.AfterFunc(w.timeout, w.end)
	<-w.done
	timer.Stop()
	w.end()
}

// loop writes whatever waits, at once, until the writer is stopped and nothing does.
func (w *writer) loop() {
	defer close(w.done)
	defer w.drop()
	for range w.wake {
		for w.waits() {
			w.serve()
		}
		if w.isClosed() && !w.waits() {
			return
		}
	}
}

// waits drops what was withdrawn at the head of the queue, and reports whether
// anything is left.
func (w *writer) waits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for n < len(w.queue) && w.queue[n].state.Load() == withdrawn {
		n++
	}
	w.queue = slices.Delete(w.queue, 0, n)
	return len(w.queue) > 0
}

func (w *writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// take returns what waits and may share a transaction: neighbours that hold events, as
// many as fit, or one request that stands alone.
func (w *writer) take() (group []*request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, events, size := 0, 0, 0
	for _, r := range w.queue {
		events += len(r.events)
		size += r.size
		if len(group) > 0 && (r.alone != nil || group[0].alone != nil || events > groupEvents || size > groupBytes) {
			break
		}
		if n++; r.state.CompareAndSwap(waiting, taken) {
			group = append(group, r)
		}
	}
	w.queue = slices.Delete(w.queue, 0, n)
	return group
}

// serve writes one group. The group is taken only when the transaction holds the lock:
// whoever comes while other processes write joins it, and whoever leaves is not in it.
func (w *writer) serve() {
	last, err := w.begin()
	group := w.take()
	if err == nil {
		err = w.write(group, last)
	}
	if err != nil {
		w.drop()
	}
	err = translated(err)
	for _, r := range group {
		if err != nil {
			r.err = err
		}
		close(r.done)
	}
}

// drop closes the connection, which also rolls back: after any error it is not clear
// what state the session is in.
func (w *writer) drop() {
	if w.conn != nil {
		disconnect(w.conn)
		w.conn = nil
	}
}
