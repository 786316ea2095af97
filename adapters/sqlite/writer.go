package sqlite

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

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
	named  []int        // places of the events that the caller named
	size   int          // of the events, in bytes
	alone  func() error // runs on the writer's goroutine

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

// writer owns the one connection that writes and the goroutine that uses it.
type writer struct {
	conn *conn
	path string
	file os.FileInfo // of the database, as it was opened
	rows rows
	last uint64 // seq of the newest event that is stored

	mu     sync.Mutex // guards what follows
	queue  []*request
	closed bool
	wakers map[*func()]struct{}

	wake chan struct{} // holds one: there is something in the queue, or it is closed
	done chan struct{} // closed when the goroutine has ended
}

// startWriter prepares the database and starts the goroutine.
func startWriter(c *conn, path string, file os.FileInfo, prepare func() error) (*writer, error) {
	if err := prepare(); err != nil {
		return nil, err
	}
	counters, err := c.row("SELECT last_seq FROM counters")
	if err != nil {
		return nil, err
	}
	if len(counters) != 1 {
		return nil, newFault(fault.DataCorrupt, corrupt, nil)
	}
	w := &writer{
		conn: c, path: path, file: file, last: uint64(counters[0]), wakers: map[*func()]struct{}{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go w.loop()
	return w, nil
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

// stop lets the writer finish what waits, and waits for its end.
func (w *writer) stop() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.nudge()
	<-w.done
	w.notify()
}

// loop writes whatever waits, at once, until the writer is stopped and nothing does.
func (w *writer) loop() {
	defer close(w.done)
	for range w.wake {
		for {
			group, ended := w.take(nil)
			if len(group) > 0 {
				w.serve(group)
				continue
			}
			if ended {
				return
			}
			break
		}
	}
}

// take adds to the group what waits and may share its transaction: neighbours that
// hold events, as many as fit, or one request that stands alone. It reports whether
// the writer is stopped.
func (w *writer) take(group []*request) (all []*request, ended bool) {
	events, size := 0, 0
	for _, r := range group {
		events += len(r.events)
		size += r.size
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
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
	return group, w.closed
}

// gather adds to the group what was appended meanwhile, and lets those whose events
// were just stored append the next ones. Otherwise two halves of the appenders would
// take turns, and every commit would serve one half. It waits for nobody: where no
// other goroutine can run, yielding returns at once.
func (w *writer) gather(group []*request) []*request {
	before := len(group)
	group, _ = w.take(group)
	if len(group) == before {
		runtime.Gosched()
		group, _ = w.take(group)
	}
	return group
}

func (w *writer) serve(group []*request) {
	var err error
	if alone := group[0].alone; alone != nil {
		err = w.conn.tx(alone)
	} else {
		group, err = w.commit(group)
	}
	if err == nil {
		err = w.unmoved()
	}
	err = translated(err)
	for _, r := range group {
		if err != nil {
			r.err = err
		}
		close(r.done)
	}
	if err == nil && len(group[0].events) > 0 {
		w.notify()
	}
}

// commit stores the events of a group in one transaction, and of those that join it
// while it is open. A request that is refused leaves the others as they are; what
// fails the transaction fails them all.
func (w *writer) commit(group []*request) ([]*request, error) {
	last := w.last
	err := w.conn.tx(func() error {
		for from := 0; from < len(group); group = w.gather(group) {
			for ; from < len(group); from++ {
				if err := w.add(group[from], &last); err != nil {
					return err
				}
			}
		}
		_, err := w.conn.exec("UPDATE counters SET events = events + ?, last_seq = ?", int64(last-w.last), int64(last))
		return err
	})
	if err != nil {
		w.recount()
		return group, err
	}
	w.last = last
	return group, nil
}

// recount asks for the last seq after a failure: a commit that reported an error may
// have taken place. If that fails too, so will what is written next.
func (w *writer) recount() {
	if counters, err := w.conn.row("SELECT last_seq FROM counters"); err == nil && len(counters) == 1 {
		w.last = uint64(counters[0])
	}
}

// add numbers the events of a request and inserts them, unless one of them is stored
// already: that is an answer to the request, not a failure of the transaction.
func (w *writer) add(r *request, last *uint64) error {
	twice, err := w.twice(r)
	if err != nil {
		return err
	}
	if len(twice) > 0 {
		r.err = eventstore.Exists(r.events, twice...)
		return nil
	}
	for i := range r.events {
		*last++
		r.events[i].Seq = *last
		if err := w.rows.add(w.conn, &r.events[i]); err != nil {
			return err
		}
	}
	return nil
}

// twice returns the places of events that are stored already. A new id of version 7
// was never given before, so only those of the caller are looked up.
func (w *writer) twice(r *request) (places []int, err error) {
	for _, i := range r.named {
		stored, err := has(w.conn, r.events[i].ID)
		if err != nil {
			return nil, err
		}
		if stored {
			places = append(places, i)
		}
	}
	return places, nil
}

// unmoved reports that what was written is not in the file that is there: it was
// deleted or replaced, and what was written since is lost with the process.
func (w *writer) unmoved() error {
	now, err := os.Stat(w.path)
	if err == nil && os.SameFile(now, w.file) {
		_, err = os.Stat(w.path + "-wal")
	}
	switch {
	case err != nil && os.IsNotExist(err):
		return newFault(fault.Unavailable, fmt.Sprintf("the database %s was deleted while in use; nothing is stored any more: restore it and start again", w.path), err)
	case err != nil:
		return err
	case !os.SameFile(now, w.file):
		return newFault(fault.Unavailable, fmt.Sprintf("the database %s was replaced while in use; nothing is stored any more: start again", w.path), nil)
	default:
		return nil
	}
}

// notify wakes those who follow the events.
func (w *writer) notify() {
	w.mu.Lock()
	var wakers []func()
	for f := range w.wakers {
		wakers = append(wakers, *f)
	}
	w.mu.Unlock()
	for _, f := range wakers {
		f()
	}
}

func (w *writer) listen(wake func()) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakers[&wake] = struct{}{}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.wakers, &wake)
	}
}

func (w *writer) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}
