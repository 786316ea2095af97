package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// The bounds of a [Recorder].
const (
	// DefaultQueue is how many events wait for the store at most.
	DefaultQueue = 16_384
	// recordedAtOnce is how many are appended in one batch.
	recordedAtOnce = 512
	// countEvery is how often counters become events.
	countEvery = 10 * time.Second
	// retryFirst and retryLast bound the pauses between attempts to reach a store that is away.
	retryFirst, retryLast = 50 * time.Millisecond, 2 * time.Second
	// grace is how long Close goes on once its context has ended.
	grace = 250 * time.Millisecond
)

// Recorder keeps what happens on a bus in a store: every [telemetry.Edge], and what
// counters have counted, one event for each of them and ten seconds. It never holds up
// whoever emits: events wait in a queue, and where a store is away for so long that the
// queue is full, further ones are dropped and counted. What was emitted was stored,
// waits, or is counted as dropped. Once the store is back an event says how many are
// missing.
//
// An event is written out after Emit has returned, on another goroutine: what it refers to
// must not be changed any more.
//
// Make one with [NewRecorder] and run [Recorder.Serve], as a supervised service. It is
// safe for concurrent use.
type Recorder struct {
	store        Store
	options      RecorderOptions
	subscription *telemetry.Subscription
	dropped      telemetry.Topic[Dropped]
	wake         chan struct{} // holds one element while there is something to do

	// turn is held by whoever appends or reads the counters, and guards the fields below.
	// Both are code of the user's, which may not return: it is a channel and not a mutex, so
	// that Close can give up waiting. It comes before mu.
	turn    chan struct{}
	counted map[counter]uint64 // as they were last read
	since   time.Time          // when that was

	// mu guards the fields below. Nothing is called under it.
	mu      sync.Mutex
	queue   queue
	taken   int     // from the queue, and not yet in batch
	batch   []Event // to be appended until that succeeds
	status  RecorderStatus
	missing uint64 // dropped since an event last said so
	closed  bool   // nothing waits any more
}

type counter struct{ kind, name, code string }

// RecorderOptions say what a [Recorder] does. The zero value is ready.
type RecorderOptions struct {
	// Node is written into every event.
	Node string
	// Queue is how many events wait at most; 0 means [DefaultQueue].
	Queue int
	// Counters yields counters that become events where they have grown; nil is none.
	Counters func(yield func(Count))
	// Logger is told when the store goes away and when it is back; nil discards that.
	Logger *slog.Logger
}

// Count is a counter at one moment: how often something has happened to a part.
type Count struct {
	Type  string // of the events it becomes, as in "guard.refused"
	Name  string // of the part
	Code  string // what is counted
	Total uint64
}

// RecorderStatus is a [Recorder] at one moment. Emitted is always the sum of the other
// three.
type RecorderStatus struct {
	Emitted, Stored, Waiting, Dropped uint64
	// Err is why the store does not take events now, nil if it does; Since is since when.
	Err   error
	Since time.Time
}

// NewRecorder returns a recorder that listens to bus from now on, until
// [Recorder.Close].
func NewRecorder(store Store, bus *telemetry.Bus, o RecorderOptions) (*Recorder, error) {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{
		store: store, options: o, dropped: telemetry.TopicOf[Dropped](bus),
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
	}
	r.grown() // what was counted before is not news
	s, err := bus.SubscribeEdges(fmt.Sprintf("eventstore.recorder.%p", r), r.note)
	if err != nil {
		return nil, err
	}
	r.subscription = s
	return r, nil
}

// note is the handler: it copies a few words. An event that panics when it is asked what it
// is about must not get the handler left out, which would cost the events of others.
func (r *Recorder) note(ctx context.Context, e telemetry.Edge) {
	if _, own := e.(Dropped); own {
		return // what this recorder dropped it writes down itself; the rest is not missing here
	}
	n := noted{event: e, at: time.Now()}
	read := false
	defer func() {
		if !read {
			r.refuse(recover())
		}
	}()
	n.read(ctx)
	read = true
	if n.severity == "" {
		return
	}
	r.add(n)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// refuse counts an event that could not be asked what it is about.
func (r *Recorder) refuse(cause any) {
	r.mu.Lock()
	r.status.Emitted++
	r.status.Dropped++
	r.mu.Unlock()
	r.options.Logger.Warn("an event is lost: it does not say what it is about", slog.Any("panic", cause))
}

func (r *Recorder) add(n noted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Emitted++
	if r.closed || r.queue.n+r.taken+len(r.batch) >= r.options.Queue {
		r.status.Dropped++
		r.missing++
		return
	}
	r.queue.push(n)
}

// Serve stores what comes until ctx ends. What waits then stays, for the next Serve or
// [Recorder.Close].
func (r *Recorder) Serve(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	pause := time.Duration(0)
	for ctx.Err() == nil {
		more, err := r.step(ctx)
		if err == nil {
			pause = 0
		} else {
			pause = min(max(2*pause, retryFirst), retryLast)
		}
		if !more || err != nil {
			r.wait(ctx, pause, tick.C)
			continue
		}
		select { // also where events come faster than they are stored
		case <-tick.C:
			r.count(ctx)
		default:
		}
	}
	return ctx.Err()
}

// wait returns when there is something to store, or after pause if that is not 0.
func (r *Recorder) wait(ctx context.Context, pause time.Duration, tick <-chan time.Time) {
	wake := r.wake
	var again <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		wake, again = nil, timer.C
	}
	select {
	case <-wake:
	case <-again:
	case <-tick:
		r.count(ctx)
	case <-ctx.Done():
	}
}

// take waits for the turn; false if ctx ends first.
func (r *Recorder) take(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case r.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *Recorder) release() { <-r.turn }

// step appends one batch, and then tells what changed; more says that there was one.
func (r *Recorder) step(ctx context.Context) (more bool, err error) {
	o, err := r.attempt(ctx)
	r.tell(o)
	return o.batch > 0, err
}

// outcome is what became of a batch.
type outcome struct {
	batch, stored int
	err           error  // why nothing was stored
	was           error  // the same of the attempt before
	missing       uint64 // were dropped meanwhile
	stopped       bool   // by whoever runs the recorder: the store is not to blame
}

func (r *Recorder) attempt(ctx context.Context) (outcome, error) {
	if !r.take(ctx) {
		return outcome{}, context.Cause(ctx)
	}
	defer r.release()
	batch := r.next()
	if len(batch) == 0 {
		return outcome{}, nil
	}
	stored, err := r.append(ctx, batch)
	o := outcome{batch: len(batch), stored: stored, err: err, stopped: err != nil && ctx.Err() != nil}
	r.settle(&o)
	return o, err
}

// next returns what is to be appended: a batch that could not be, or a new one. What the
// events hold may panic or end the goroutine when it is written out. The event that does so
// is stored without its data then, and those behind it wait again.
func (r *Recorder) next() (batch []Event) {
	taken, waiting := r.takeBatch()
	if len(taken) == 0 {
		return waiting
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.taken = 0
		if r.closed {
			batch = nil // these were counted as dropped
			return
		}
		r.batch = batch
		r.queue.putBack(taken[len(batch):])
	}()
	batch = make([]Event, 0, len(taken))
	for i := range taken {
		batch = append(batch, taken[i].header(r.options.Node))
		batch[i].Data = encode(taken[i].event, taken[i].trace)
	}
	return batch
}

func (r *Recorder) takeBatch() (taken []noted, waiting []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.batch) > 0 {
		return nil, r.batch
	}
	taken = r.queue.take(recordedAtOnce)
	r.taken = len(taken) // they count while they are written out
	return taken, nil
}

// append stores a batch and returns how many of it are stored. A batch that the store
// refuses for what is in it is taken apart: the rest must not be lost with one event.
func (r *Recorder) append(ctx context.Context, batch []Event) (stored int, err error) {
	_, err = r.store.Append(ctx, batch...)
	code := codeOf(err)
	switch {
	case err == nil, code == fault.AlreadyExists && len(batch) == 1:
		return len(batch), nil
	case code != fault.AlreadyExists && code != fault.InvalidArgument && code != fault.InvalidConfig:
		return 0, err
	case len(batch) == 1:
		r.options.Logger.Warn("an event was refused by the store and is lost", slog.String("type", batch[0].Type), slog.Any("error", err))
		return 0, nil
	}
	for i := range batch {
		n, err := r.append(ctx, batch[i:i+1])
		if stored += n; err != nil {
			return 0, err // all of it again: what is stored already is found to be
		}
	}
	return stored, nil
}

// codeOf is what a store answers. What has caused that may be anything.
func codeOf(err error) fault.Code {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code()
	}
	return fault.Internal
}

// settle notes what became of a batch.
func (r *Recorder) settle(o *outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o.was = r.status.Err
	switch {
	case o.stopped:
	case o.err != nil:
		if o.was == nil {
			r.status.Since = time.Now()
		}
		r.status.Err = o.err
	case r.closed: // all were given up for dropped
		r.status.Stored += uint64(o.stored)
		r.status.Dropped -= uint64(o.stored)
	default:
		r.batch = nil
		r.status.Stored += uint64(o.stored)
		r.status.Dropped += uint64(o.batch - o.stored)
		r.status.Err, r.status.Since = nil, time.Time{}
		o.missing, r.missing = r.missing, 0
		r.noteMissing(o.missing)
	}
}

// noteMissing queues the event that says how many were dropped, also where the queue is
// full or nobody listens any more.
func (r *Recorder) noteMissing(n uint64) {
	if n == 0 {
		return
	}
	e := Dropped{Events: n}
	_, severity := e.Edge()
	r.queue.push(noted{event: e, kind: e.EventName(), severity: severity, at: time.Now()})
	r.status.Emitted++
}

// tell says what changed. It is called without the turn: handlers and loggers may close the
// recorder.
func (r *Recorder) tell(o outcome) {
	switch {
	case o.stopped:
	case o.was == nil && o.err != nil:
		r.options.Logger.Warn("events cannot be stored; they wait, and are dropped when too many do", slog.Any("error", o.err))
	case o.was != nil && o.err == nil && o.batch > 0:
		r.options.Logger.Info("events are stored again")
	}
	if o.missing > 0 {
		r.dropped.Emit(context.Background(), Dropped{Events: o.missing})
	}
}

// count makes events of the counters that have grown.
func (r *Recorder) count(ctx context.Context) {
	if !r.take(ctx) {
		return
	}
	defer r.release()
	for _, c := range r.grown() {
		r.add(noted{event: c, kind: c.EventName(), name: c.name, severity: fault.SeverityInfo, at: r.since})
	}
}

// grown returns the counters that have grown since they were last read, and by how much.
// One that is lower than it was has begun anew.
func (r *Recorder) grown() []counted {
	if r.options.Counters == nil {
		return nil
	}
	now, totals := time.Now(), make(map[counter]uint64, len(r.counted))
	var all []counted
	r.options.Counters(func(c Count) {
		key := counter{c.Type, c.Name, c.Code}
		totals[key] = c.Total
		was := r.counted[key]
		if c.Total < was {
			was = 0
		}
		if c.Total > was {
			all = append(all, counted{kind: c.Type, name: c.Name, Code: c.Code, Count: c.Total - was, Since: r.since})
		}
	})
	r.counted, r.since = totals, now // at last: Counters may panic
	return all
}

// Status says what became of what was emitted.
func (r *Recorder) Status() RecorderStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.Waiting = s.Emitted - s.Stored - s.Dropped
	return s
}

// Close ends the listening and stores what waits, as long as ctx allows and a moment
// longer; what cannot be stored is counted as dropped, and said in the error. It does not
// close the store. Call it once Serve has returned; where Serve cannot, because the store
// does not, Close gives up with ctx. A store that ignores its context is left behind. A
// second Close finds nothing to do.
func (r *Recorder) Close(ctx context.Context) error {
	r.subscription.Cancel()
	err := r.flush(ctx)
	if lost := r.giveUp(); lost > 0 {
		return fault.New(fault.Spec{
			Code: fault.Unavailable, Component: component, Message: fmt.Sprintf("%d events could not be stored and are lost", lost), Cause: err,
		})
	}
	return nil
}

// flush stores what waits, on a goroutine of its own, which a store may not return from.
func (r *Recorder) flush(ctx context.Context) error {
	flushed := make(chan error, 1)
	go func() {
		err := errors.New("the store has ended the goroutine that it was called on")
		defer func() {
			if cause := recover(); cause != nil {
				err = fmt.Errorf("panic: %.200v", cause)
			}
			flushed <- err
		}()
		r.count(ctx)
		err = r.drain(ctx)
	}()
	select {
	case err := <-flushed:
		return err
	case <-ctx.Done():
	}
	moment := time.NewTimer(grace) // for a store that obeys and says why
	defer moment.Stop()
	select {
	case err := <-flushed:
		return err
	case <-moment.C:
		return context.Cause(ctx)
	}
}

func (r *Recorder) drain(ctx context.Context) error {
	for {
		if more, err := r.step(ctx); !more || err != nil {
			return err
		}
	}
}

// giveUp counts what waits as dropped.
func (r *Recorder) giveUp() (lost uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost = r.status.Emitted - r.status.Stored - r.status.Dropped
	r.status.Dropped += lost
	r.closed, r.batch, r.queue = true, nil, queue{}
	return lost
}
