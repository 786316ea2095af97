package admin

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

const (
	// framePace is how often a frame is made.
	framePace = time.Second
	// framesKept bounds the frames that a client which was cut off can continue with.
	framesKept = 60
)

// frames makes one frame a second for all who watch, by one goroutine that is there only while
// somebody does. Each frame is encoded once, and compressed once. It is safe for concurrent use.
type frames struct {
	produce func(*memo) *adminapi.Frame
	log     *slog.Logger

	// making is held by the one goroutine that makes frames; memo and madeAt are its.
	making sync.Mutex
	memo   *memo
	madeAt time.Time

	wait              sync.WaitGroup // for that goroutine
	encoded, deflated atomic.Uint64  // frames, for tests

	mu       sync.Mutex // guards what follows
	closed   bool
	watchers int
	stop     chan struct{} // ends the goroutine; nil while there is none
	changed  chan struct{} // closed when there is another frame, or none will come
	err      error         // why none will come
	seq      uint64        // of the newest
	rows     []encodedRow  // of the newest, worst first
	full     *message      // the newest with all rows; nil where it is not of now
	ring     []*message    // the newest last: what differs from the one before
	ringSize int
}

// encodedRow is a row as it is sent.
type encodedRow struct {
	id   string
	text []byte
}

func newFrames(produce func(*memo) *adminapi.Frame, log *slog.Logger) *frames {
	// A number that no process before this one has used: frames come once a second, and the
	// number of its first is that of the milliseconds of Unix time.
	return &frames{produce: produce, log: log, changed: newSignal(), seq: uint64(time.Now().UnixMilli())}
}

func newSignal() chan struct{} { return make(chan struct{}) }

var errFramesClosed = fault.New(fault.Spec{Code: fault.Closed, Component: "foundation", Name: "admin", Message: "the admin API has ended"})

// watch begins to make frames unless somebody watches already, until leave.
func (f *frames) watch() (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errFramesClosed
	}
	f.watchers++
	if f.stop == nil {
		stop := newSignal()
		f.stop, f.full, f.err = stop, nil, nil
		f.wait.Go(func() { f.run(stop) })
	}
	return f.leave, nil
}

func (f *frames) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watchers--; f.watchers == 0 {
		f.stopLocked()
	}
}

func (f *frames) stopLocked() {
	if f.stop != nil {
		close(f.stop)
		f.stop = nil
	}
}

// close ends the making of frames, and waits for it.
func (f *frames) close() {
	f.mu.Lock()
	f.closed = true
	f.stopLocked()
	f.mu.Unlock()
	f.wait.Wait()
}

// run makes frames until stop. The one before may still make its last.
func (f *frames) run(stop chan struct{}) {
	f.making.Lock()
	defer f.making.Unlock()
	tick := time.NewTicker(framePace)
	defer tick.Stop()
	for {
		select {
		case <-stop: // both may be ready
			return
		default:
		}
		if err := f.next(); err != nil {
			f.fail(stop, err)
			return
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// next makes a frame and hands it out.
func (f *frames) next() (err error) {
	defer func() {
		if p := recover(); p != nil { // of a function of the program; nobody else would catch it here
			f.log.Error("a frame could not be made", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fault.New(fault.Spec{Code: fault.Internal, Component: "foundation", Name: "admin", Message: "a frame could not be made: the log says why"})
		}
	}()
	now := time.Now()
	if f.memo == nil || now.Sub(f.madeAt) > 3*framePace {
		f.memo = newMemo() // nobody has looked in between
	}
	frame := f.produce(f.memo)
	f.madeAt = now
	rows, err := encodeRows(frame.Rows)
	if err != nil {
		return err
	}
	return f.add(frame, rows)
}

// fail tells those who watch that no frame will come.
func (f *frames) fail(stop chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == stop {
		f.stop = nil
	}
	f.err, f.full = err, nil
	close(f.changed)
	f.changed = newSignal()
}

func encodeRows(rows []adminapi.FrameRow) ([]encodedRow, error) {
	out := make([]encodedRow, 0, len(rows))
	for i := range rows {
		text, err := json.Marshal(&rows[i])
		if err != nil {
			return nil, fmt.Errorf("encode row %s: %w", rows[i].ID, err)
		}
		out = append(out, encodedRow{rows[i].ID, text})
	}
	return out, nil
}

// add puts a frame behind those that there are.
func (f *frames) add(frame *adminapi.Frame, rows []encodedRow) error {
	f.mu.Lock()
	seq, before := f.seq+1, f.rows
	f.mu.Unlock()
	changed, gone := differences(before, rows)
	head := *frame
	head.Seq, head.Full, head.Rows, head.Gone = seq, false, []adminapi.FrameRow{}, gone
	part, err := f.encode(&head, changed)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seq, f.rows = seq, rows
	f.full = f.message(seq, func() []byte {
		head.Full, head.Gone = true, []string{}
		text, err := f.encode(&head, rows)
		if err != nil {
			f.log.Error("a frame could not be encoded", slog.Any("error", err)) // its parts were, a moment ago
		}
		return text
	})
	f.ring = append(f.ring, f.message(seq, func() []byte { return part }))
	f.ringSize += len(part)
	f.trimLocked(rows)
	close(f.changed)
	f.changed = newSignal()
	return nil
}

// trimLocked forgets frames: more than a full one has is no use to whoever continues.
func (f *frames) trimLocked(rows []encodedRow) {
	most := 64 << 10
	for i := range rows {
		most += len(rows[i].text)
	}
	for len(f.ring) > 1 && (len(f.ring) > framesKept || f.ringSize > most) {
		f.ringSize -= len(f.ring[0].text())
		f.ring[0] = nil
		f.ring = f.ring[1:]
	}
}

// differences returns the rows that are not as before, and the IDs of those that are no more.
func differences(before, now []encodedRow) (changed []encodedRow, gone []string) {
	was := make(map[string][]byte, len(before))
	for i := range before {
		was[before[i].id] = before[i].text
	}
	for i := range now {
		text, known := was[now[i].id]
		if !known || !bytes.Equal(text, now[i].text) {
			changed = append(changed, now[i])
		}
		delete(was, now[i].id)
	}
	gone = make([]string, 0, len(was))
	for id := range was {
		gone = append(gone, id)
	}
	slices.SortFunc(gone, cmp.Compare)
	return changed, gone
}

// emptyRows is what the encoded rows of a frame take the place of. A text in the frame cannot
// hold it: its quotes are escaped.
var emptyRows = []byte(`"rows":[]`)

// encode returns the message of a frame with rows that are encoded already.
func (f *frames) encode(head *adminapi.Frame, rows []encodedRow) ([]byte, error) {
	f.encoded.Add(1)
	text, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("encode a frame: %w", err)
	}
	front, back, ok := bytes.Cut(text, emptyRows)
	if !ok {
		return nil, errors.New("encode a frame: it has no rows")
	}
	size := len(text) + len(rows) + 64
	for i := range rows {
		size += len(rows[i].text)
	}
	out := fmt.Appendf(make([]byte, 0, size), "id: %d%s%s", head.Seq, dataPrefix, front)
	out = append(out, `"rows":[`...)
	for i := range rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, rows[i].text...)
	}
	out = append(out, ']')
	return append(append(out, back...), dataSuffix...), nil
}

// after returns what a client is to be sent that has seen the frame of this number: the changes
// since, or a full frame; nothing while there is none of now. Changed is closed when there is
// more.
func (f *frames) after(seen uint64) (list []*message, changed <-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch missed := f.seq - seen; {
	case f.err != nil:
		return nil, nil, f.err
	case f.full == nil || missed == 0:
	case seen < f.seq && missed <= uint64(len(f.ring)):
		list = slices.Clone(f.ring[len(f.ring)-int(missed):])
	default:
		list = []*message{f.full}
	}
	return list, f.changed, nil
}

// newest is the newest frame, all of it; nil while nobody watches.
func (f *frames) newest() *message {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop == nil {
		return nil
	}
	return f.full
}
