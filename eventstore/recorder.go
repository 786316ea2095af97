package eventstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
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
	// retryMax bounds the pauses between attempts to reach a store that is away.
	retryMax = 2 * time.Second
)

// Recorder keeps what happens on a bus in a store: every [telemetry.Edge], and what
// counters have counted, one event for each of them and ten seconds. It never holds up
// whoever emits: events wait in a queue, and where a store is away for so long that the
// queue is full, further ones are dropped and counted. What was emitted was stored,
// waits, or is counted as dropped. Once the store is back an event says how many are
// missing.
//
// Make one with [NewRecorder] and run [Recorder.Serve], as a supervised service. It is
// safe for concurrent use.
type Recorder struct {
	store        Store
	options      RecorderOptions
	subscription *telemetry.Subscription
	dropped      telemetry.Topic[Dropped]
	wake         chan struct{} // holds one element while there is something to do

	// writing is held by whoever appends or reads the counters, and guards the fields
	// below. It comes before mu.
	writing sync.Mutex
	counted map[counter]uint64 // as they were last read
	since   time.Time          // when that was

	// mu guards the fields below. Nothing is called under it.
	mu      sync.Mutex
	queue   []noted
	batch   []Event // taken from the queue, to be appended until that succeeds
	status  RecorderStatus
	missing uint64 // dropped since an event last said so
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

// noted is an event as it was emitted. It is written out later: whoever emits it waits.
type noted struct {
	event       telemetry.Edge
	name        string
	severity    fault.Severity
	correlation string
	at          time.Time
}

// NewRecorder returns a recorder that listens to bus from now on. Cancel or
// [Recorder.Close] ends that.
func NewRecorder(store Store, bus *telemetry.Bus, o RecorderOptions) (*Recorder, error) {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{
		store: store, options: o, wake: make(chan struct{}, 1), dropped: telemetry.TopicOf[Dropped](bus), counted: make(map[counter]uint64),
	}
	r.grown() // what was counted before is not news
	s, err := bus.SubscribeEdges(fmt.Sprintf("eventstore.recorder.%p", r), r.note)
	r.subscription = s
	return r, err
}

// note is the handler: it copies a few words.
func (r *Recorder) note(ctx context.Context, e telemetry.Edge) {
	name, severity := e.Edge()
	if severity == "" {
		return
	}
	r.add(noted{e, name, severity, telemetry.Correlation(ctx), time.Now()})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *Recorder) add(n noted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Emitted++
	if len(r.queue)+len(r.batch) >= r.options.Queue {
		r.status.Dropped++
		r.missing++
		return
	}
	r.queue = append(r.queue, n)
}

// Serve stores what comes until ctx ends. What waits then stays, for the next Serve or
// [Recorder.Close].
func (r *Recorder) Serve(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	pause := time.Duration(0)
	for ctx.Err() == nil {
		err := r.drain(ctx)
		if pause = min(max(2*pause, 50*time.Millisecond), retryMax); err == nil {
			pause = 0
		}
		r.wait(ctx, pause, tick.C)
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
		r.count()
	case <-ctx.Done():
	}
}

// drain appends everything that waits.
func (r *Recorder) drain(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	for {
		batch := r.next()
		if len(batch) == 0 {
			return nil
		}
		stored, err := r.append(ctx, batch)
		r.settled(len(batch), stored, err)
		if err != nil {
			return err
		}
	}
}

// next returns what is to be appended: a batch that could not be, or a new one.
func (r *Recorder) next() []Event {
	r.mu.Lock()
	if len(r.batch) > 0 {
		defer r.mu.Unlock()
		return r.batch
	}
	taken := r.queue[:min(len(r.queue), recordedAtOnce)]
	r.queue = r.queue[len(taken):]
	r.batch = make([]Event, len(taken)) // they count while they are written out
	r.mu.Unlock()

	batch := make([]Event, 0, len(taken))
	for i := range taken {
		batch = append(batch, r.event(taken[i]))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batch = batch
	return batch
}

// event writes an edge out. The id is given here, so that a batch of which nobody knows
// whether it was stored can be appended again.
func (r *Recorder) event(n noted) Event {
	kind := strings.TrimPrefix(n.event.EventName(), telemetry.Prefix)
	component, _, _ := strings.Cut(kind, ".")
	return Event{
		ID: NewID(), Type: kind, Time: n.at, Severity: n.severity, Component: component,
		Name: clip(n.name), Node: clip(r.options.Node), Correlation: clip(n.correlation), Data: encode(n.event),
	}
}

func clip(text string) string { return strings.ToValidUTF8(text[:min(len(text), MaxText)], "") }

// append stores a batch and returns how many of it are stored. A batch that the store
// refuses for what is in it is taken apart: the rest must not be lost with one event.
func (r *Recorder) append(ctx context.Context, batch []Event) (stored int, err error) {
	_, err = r.store.Append(ctx, batch...)
	switch {
	case err == nil, errors.Is(err, fault.AlreadyExists) && len(batch) == 1:
		return len(batch), nil
	case !objects(err):
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

// objects reports whether a store objects to what it was given.
func objects(err error) bool {
	return errors.Is(err, fault.AlreadyExists) || errors.Is(err, fault.InvalidArgument) || errors.Is(err, fault.InvalidConfig)
}

// settled notes what became of a batch, and tells what changed.
func (r *Recorder) settled(batch, stored int, err error) {
	was, missing := r.settle(batch, stored, err)
	switch {
	case errors.Is(err, fault.Canceled):
	case was == nil && err != nil:
		r.options.Logger.Warn("events cannot be stored; they wait, and are dropped when too many do", slog.Any("error", err))
	case was != nil && err == nil:
		r.options.Logger.Info("events are stored again")
	}
	if missing > 0 {
		r.dropped.Emit(context.Background(), Dropped{Events: missing})
	}
}

func (r *Recorder) settle(batch, stored int, err error) (was error, missing uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	was = r.status.Err
	switch {
	case errors.Is(err, fault.Canceled): // whoever runs the recorder stops it; the store is not to blame
	case err == nil:
		r.batch = nil
		r.status.Stored += uint64(stored)
		r.status.Dropped += uint64(batch - stored)
		r.status.Err, r.status.Since = nil, time.Time{}
		missing, r.missing = r.missing, 0
	case was == nil:
		r.status.Err, r.status.Since = err, time.Now()
	default:
		r.status.Err = err
	}
	return was, missing
}

// count makes events of the counters that have grown.
func (r *Recorder) count() {
	r.writing.Lock()
	defer r.writing.Unlock()
	for _, c := range r.grown() {
		r.add(noted{event: c, name: c.name, severity: fault.SeverityInfo, at: r.since})
	}
}

// grown returns the counters that have grown since they were last read, and by how much.
func (r *Recorder) grown() []counted {
	if r.options.Counters == nil {
		return nil
	}
	since := r.since
	r.since = time.Now()
	before := r.counted
	r.counted = make(map[counter]uint64, len(before))
	var all []counted
	r.options.Counters(func(c Count) {
		key := counter{c.Type, c.Name, c.Code}
		r.counted[key] = c.Total
		if was := before[key]; c.Total > was {
			all = append(all, counted{kind: c.Type, name: c.Name, Code: c.Code, Count: c.Total - was, Since: since})
		}
	})
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

// Close ends the listening and stores what waits, as long as ctx allows; what cannot be
// stored is lost, and said in the error. It does not close the store. Serve must have
// returned.
func (r *Recorder) Close(ctx context.Context) error {
	r.subscription.Cancel()
	r.count()
	err := r.drain(ctx)
	if waiting := r.Status().Waiting; err != nil {
		return fault.New(fault.Spec{
			Code: fault.Unavailable, Component: component, Message: fmt.Sprintf("%d events could not be stored and are lost", waiting), Cause: err,
		})
	}
	return nil
}
