package logs

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// MaxQueued bounds the bytes that wait to be written. As many may be on their way
// to the reader at the same time.
const MaxQueued = 1 << 20

// Queue is a writer of log lines that never blocks and never fails: a goroutine of
// its own hands them on in their order. Lines that find the queue full, and lines
// that could not be written, are dropped; how many they were is written in their
// place as soon as the reader takes lines again. Make one with [NewQueue]. It is
// safe for concurrent use.
type Queue struct {
	out    io.Writer
	form   func(io.Writer) slog.Handler
	notice slog.Handler // straight to out, for the queue's own lines
	lost   atomic.Uint64
	done   chan struct{} // closed when the goroutine has ended
	ready  *sync.Cond    // of mu: something waits, or the queue was closed

	// mu guards the fields below. It is held for moments, never while out is written.
	mu      sync.Mutex
	pending []byte
	spare   []byte // the batch before, for its memory
	dropped uint64 // lines that came after pending and found no room
	closed  bool

	// owed are lost lines that the reader was not told of. It belongs to the goroutine.
	owed uint64
}

// NewQueue starts a queue in front of out. form makes the handler that writes a
// line, see [Queue.Handler]. End it with [Queue.Close].
func NewQueue(out io.Writer, form func(io.Writer) slog.Handler) *Queue {
	q := &Queue{out: out, form: form, notice: form(out), done: make(chan struct{})}
	q.ready = sync.NewCond(&q.mu)
	go q.run()
	return q
}

// Handler returns a handler that writes to the queue.
func (q *Queue) Handler() slog.Handler { return q.form(q) }

// Dropped counts the lines that nobody will read.
func (q *Queue) Dropped() uint64 { return q.lost.Load() }

// Write queues whole lines. It always reports success: a caller that was told of a
// failure could do nothing but try to log it.
func (q *Queue) Write(lines []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	// Once one line was dropped, all that follow are until the notice has its place:
	// a shorter one must not stand before it.
	if q.closed || q.dropped > 0 || len(q.pending)+len(lines) > MaxQueued {
		n := count(lines)
		q.dropped += n
		q.lost.Add(n)
	} else {
		q.pending = append(q.pending, lines...)
	}
	q.ready.Signal()
	return len(lines), nil
}

// Close takes no more lines and waits until all that were queued are written, or
// for as long as within says: a reader that stalls must not hold the end of the
// process. It reports whether everything was written. The goroutine ends when its
// last write does.
func (q *Queue) Close(within time.Duration) bool {
	q.mu.Lock()
	q.closed = true
	q.ready.Signal()
	q.mu.Unlock()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-q.done:
		return true
	case <-timer.C:
		return false
	}
}

// batch is what is written at once, and how many lines were dropped after it.
type batch struct {
	text    []byte
	dropped uint64
}

func (q *Queue) run() {
	defer close(q.done)
	for {
		b, ok := q.take()
		if !ok {
			return
		}
		q.deliver(b)
	}
}

// take waits for lines; ok is false once the queue was closed and is empty.
func (q *Queue) take() (b batch, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) == 0 && q.dropped == 0 && !q.closed {
		q.ready.Wait()
	}
	b = batch{q.pending, q.dropped}
	q.pending, q.spare, q.dropped = q.spare[:0], q.pending, 0
	return b, len(b.text) > 0 || b.dropped > 0
}

func (q *Queue) deliver(b batch) {
	q.tell()
	if q.owed > 0 { // nobody reads
		q.lose(b.text)
	} else if n, err := q.out.Write(b.text); err != nil {
		q.lose(b.text[n:])
	}
	q.owed += b.dropped
	q.tell()
}

func (q *Queue) lose(lines []byte) {
	n := count(lines)
	q.lost.Add(n)
	q.owed += n
}

// tell writes how many lines were lost. A reader that cannot be told is told later.
func (q *Queue) tell() {
	if q.owed == 0 {
		return
	}
	line := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped", 0)
	line.AddAttrs(slog.Uint64("lines", q.owed))
	if q.notice.Handle(context.Background(), line) == nil {
		q.owed = 0
	}
}

// count counts lines; text without an end is one, too.
func count(text []byte) uint64 {
	n := bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return uint64(n)
}
