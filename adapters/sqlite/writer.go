package sqlite

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// request is what one caller wants written. What stands alone runs on the writer's goroutine.
type request = groupcommit.Request[func() error]

// writer owns the one connection that writes and the goroutine that uses it.
type writer struct {
	conn *conn
	path string
	file os.FileInfo                 // of the database, as it was opened
	log  atomic.Pointer[os.FileInfo] // of the write-ahead log, once it is there
	rows rows
	last uint64 // seq of the newest event that is stored

	queue *groupcommit.Queue[func() error]
	done  chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex // guards what follows
	wakers map[*func()]struct{}
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
		return nil, groupcommit.NewFault(fault.DataCorrupt, corrupt, nil)
	}
	w := &writer{
		conn: c, path: path, file: file, last: uint64(counters[0]), wakers: map[*func()]struct{}{},
		queue: groupcommit.NewQueue[func() error](), done: make(chan struct{}),
	}
	w.noteLog()
	go w.loop()
	return w, nil
}

// stop lets the writer finish what waits, and waits for its end.
func (w *writer) stop() {
	w.queue.Close()
	<-w.done
	w.notify()
}

// loop writes whatever waits, at once, until the writer is stopped and nothing does.
func (w *writer) loop() {
	defer close(w.done)
	w.queue.Run(func() {
		if group := w.queue.Take(nil); len(group) > 0 {
			w.serve(group)
		}
	})
}

// gather adds to the group what was appended meanwhile, and lets those whose events
// were just stored append the next ones. Otherwise two halves of the appenders would
// take turns, and every commit would serve one half. It waits for nobody: where no
// other goroutine can run, yielding returns at once.
func (w *writer) gather(group []*request) []*request {
	before := len(group)
	group = w.queue.Take(group)
	if len(group) == before {
		runtime.Gosched()
		group = w.queue.Take(group)
	}
	return group
}

func (w *writer) serve(group []*request) {
	var err error
	if alone := group[0].Alone; alone != nil {
		err = w.conn.tx(alone)
	} else {
		group, err = w.commit(group)
	}
	if err == nil {
		w.noteLog()
		err = w.unmoved()
	}
	groupcommit.Finish(group, translated(err))
	if err == nil && len(group[0].Events) > 0 {
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
		r.Err = eventstore.Exists(r.Events, twice...)
		return nil
	}
	for i := range r.Events {
		*last++
		r.Events[i].Seq = *last
		if err := w.rows.add(w.conn, &r.Events[i]); err != nil {
			return err
		}
	}
	return nil
}

// twice returns the places of events that are stored already. A new id of version 7
// was never given before, so only those of the caller are looked up.
func (w *writer) twice(r *request) (places []int, err error) {
	for _, i := range r.Named {
		stored, err := has(w.conn, r.Events[i].ID)
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
// deleted or replaced, and what was written since is lost with the process. To try again
// is of no use, which unavailable would promise.
func (w *writer) unmoved() error {
	now, err := os.Stat(w.path)
	moved := err == nil && !os.SameFile(now, w.file)
	if err == nil && !moved {
		// A reader makes a log anew that was deleted: that it is there says nothing.
		now, err = os.Stat(w.logPath())
		first := w.log.Load()
		moved = err == nil && first != nil && !os.SameFile(now, *first)
	}
	switch {
	case err != nil && os.IsNotExist(err):
		return groupcommit.NewFault(fault.DataCorrupt, fmt.Sprintf("the database %s was deleted while in use; nothing is stored any more: restore it and start again", w.path), err)
	case err != nil:
		return err
	case moved:
		return groupcommit.NewFault(fault.DataCorrupt, fmt.Sprintf("the database %s was replaced while in use; nothing is stored any more: start again", w.path), nil)
	default:
		return nil
	}
}

func (w *writer) logPath() string { return w.path + "-wal" }

// noteLog remembers which file the log is. It stays the same as long as a connection is
// open. It is called by the writer alone.
func (w *writer) noteLog() {
	if w.log.Load() != nil {
		return
	}
	if info, err := os.Stat(w.logPath()); err == nil {
		w.log.Store(&info)
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
