package foundation

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/supervise"
	"github.com/elixirscope/foundation/telemetry"
)

const storageSection, storageComponent = "storage", "storage"

// Storage is an open place for what a layer records.
type Storage struct {
	Events eventstore.Store
	// History keeps the revisions of the configuration; nil is one that ends with the
	// process.
	History config.History
	// Close ends everything that is stored there; nil where closing Events is enough.
	Close func() error
}

// Store opens the storage at a place: a directory, a connection string. A fault that is
// [fault.Unavailable] says that it may be had later, as one that another process still
// holds: it is tried again. Any other refuses the configuration.
type Store func(ctx context.Context, place string) (Storage, error)

// The kinds of storage that a configuration may name, as Options.Stores knows them.
const (
	storagePath     = "path"
	storagePostgres = "postgres"
	storageMemory   = "memory"
)

// What the zero settings of a configuration stand for.
const (
	defaultStorageWait = 10 * time.Second
	defaultRetention   = 7 * 24 * time.Hour
	defaultMaxSize     = 256 << 20
)

const (
	retryOpening   = 200 * time.Millisecond // while the layer starts
	reopenInterval = 2 * time.Second        // once it serves
	pruneInterval  = time.Minute
	flushTimeout   = 5 * time.Second // for what waits, at the end
	statsPatience  = 250 * time.Millisecond
	inquiryTimeout = 10 * time.Second
)

// StorageStatus is what a layer records, at one moment.
type StorageStatus struct {
	// Kind is "memory", "path" or "postgres"; empty where nothing is recorded.
	Kind string
	// Err is why the storage is away, nil if it is there; Since is since when.
	Err      error
	Since    time.Time
	Recorder eventstore.RecorderStatus
	Events   eventstore.Stats // as they were last known
}

// collect implements section: the guards and services tell what there is to measure.
func (r *records) collect(_ *assembly, emit func(telemetry.Sample)) {
	if r.recorder == nil {
		return
	}
	s := r.recorder.Status()
	for _, m := range []struct {
		desc  *telemetry.Desc
		value uint64
	}{{descEmitted, s.Emitted}, {descStored, s.Stored}, {descDropped, s.Dropped}, {descWaiting, s.Waiting}} {
		emit(telemetry.Sample{Desc: m.desc, Value: float64(m.value)})
	}
}

// The metrics of the recorder.
var (
	descEmitted = &telemetry.Desc{Name: "foundation_events_emitted_total", Help: "Events that were to be recorded.", Kind: telemetry.Counter}
	descStored  = &telemetry.Desc{Name: "foundation_events_stored_total", Help: "Events that the store has acknowledged.", Kind: telemetry.Counter}
	descDropped = &telemetry.Desc{Name: "foundation_events_dropped_total", Help: "Events that were lost: too many waited, or the store refused them.", Kind: telemetry.Counter}
	descWaiting = &telemetry.Desc{Name: "foundation_events_waiting", Help: "Events that wait for the store.", Kind: telemetry.Gauge}
)

// refusals lists how often each guard has refused, and why.
func (f *Foundation) refusals(yield func(eventstore.Count)) {
	for _, g := range partsOf[*guard.Guard](f.assembly.Load(), guardSection) {
		s := g.Status()
		for code, n := range s.Refused {
			if n > 0 {
				yield(eventstore.Count{Type: "guard.refused", Name: s.Name, Code: code.String(), Total: n})
			}
		}
	}
}

// records is the section "storage": where the layer keeps its events.
type records struct {
	f        *Foundation
	kind     string
	open     func(ctx context.Context) (Storage, error)
	storage  *lateStorage
	feed     *eventstore.Feed
	recorder *eventstore.Recorder
	serves   bool // belongs to whoever follows the configuration
	keep     atomic.Pointer[config.Events]
	stats    inquiry
}

// prepare begins to record with the first configuration. Another storage needs a restart,
// which the server of the configuration says; how long events are kept is live.
func (r *records) prepare(_ context.Context, t *transition) error {
	if r.recorder == nil {
		if err := r.begin(t); err != nil {
			return err
		}
	}
	events := t.next.Config.Events
	t.steps = append(t.steps, func() error { r.keep.Store(&events); return nil })
	return nil
}

// openHistory finds out where to record and opens that, before the first configuration
// comes into force: what it says depends on what was changed since.
func (r *records) openHistory(ctx context.Context, first *config.Config) (config.History, error) {
	if first.Storage == nil && r.f.options.Stores == nil {
		return nil, nil // a library that was not asked to records nothing
	}
	if err := r.choose(first.Storage); err != nil {
		return nil, err
	}
	if err := r.f.own.add(r.f.bus, ownEvents, ownHistory); err != nil {
		return nil, err
	}
	r.storage = newLateStorage(r.open)
	if err := r.wait(ctx, first.Storage); err != nil {
		return nil, err
	}
	return guardedHistory{r.storage, r.f.own.guards[ownHistory]}, nil
}

// begin begins to listen.
func (r *records) begin(t *transition) error {
	if r.storage == nil {
		return nil
	}
	r.feed = eventstore.NewFeed(guardedEvents{r.storage, r.f.own.guards[ownEvents]}, r.poll())
	recorder, err := eventstore.NewRecorder(r.feed, r.f.bus, eventstore.RecorderOptions{
		Node: r.f.options.Node, Counters: r.f.refusals, Logger: r.f.log,
	})
	if err != nil {
		return err
	}
	r.recorder = recorder
	t.undo = append(t.undo, r.silence)
	return nil
}

// poll is how often followers of the events look for those of other processes.
func (r *records) poll() time.Duration {
	if r.kind == storagePostgres {
		return time.Second
	}
	return 0
}

func (r *records) choose(s *config.Storage) error {
	place := ""
	switch {
	case s == nil || *s == (config.Storage{Wait: s.Wait}):
		r.kind = storageMemory
		r.open = func(context.Context) (Storage, error) {
			m, err := eventstore.NewMemory(eventstore.MemoryOptions{})
			return Storage{Events: m, History: config.NewMemoryHistory()}, err
		}
		return nil
	case s.Path != "":
		r.kind, place = storagePath, s.Path
	default:
		r.kind, place = storagePostgres, string(s.Postgres)
	}
	store, ok := r.f.options.Stores[r.kind]
	if !ok {
		var p fault.Problems
		p.Add(r.kind, "", "this program has no store of this kind: give it one in Options.Stores, or leave the key out")
		return p.Err(storageComponent, storageSection)
	}
	r.open = func(ctx context.Context) (Storage, error) { return store(ctx, place) }
	return nil
}

// wait opens the storage, and waits for one that is away as long as the configuration
// says: at a restart the process before this one may still hold it. After that the layer
// starts without, and takes it when it comes.
func (r *records) wait(ctx context.Context, s *config.Storage) error {
	limit := defaultStorageWait
	if s != nil && s.Wait != 0 {
		limit = s.Wait
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := r.storage.try(limited)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return gaveUp(ctx, "the caller gave up while the storage was waited for")
		case !errors.Is(err, fault.Unavailable):
			return err
		case limited.Err() != nil:
			r.f.log.Warn("the storage is away: the layer starts without it, events wait for it", slog.Any("error", err))
			return nil
		}
		clock.Sleep(limited, retryOpening)
	}
}

// follow starts what runs in the background, once the first configuration is in force, and
// names it: for a reader of events in the program itself.
func (r *records) follow(f *Foundation) {
	if r.recorder == nil || r.serves {
		return
	}
	r.serves = true
	f.name(ownNames, "events", r.feed)
	err := errors.Join(
		f.Supervise("recorder", r.recorder), f.Supervise("storage", supervise.Func(r.reopen)), f.Supervise("retention", supervise.Func(r.prune)),
	)
	if err != nil {
		f.log.Error("what records events was not started", slog.Any("error", err))
	}
	if r.kind == storageMemory {
		f.log.Info("events are kept in memory: they end with the process")
	}
}

// reopen takes a storage that was away when it comes.
func (r *records) reopen(ctx context.Context) error {
	said := ""
	for r.storage.current.Load() == nil {
		err := r.storage.try(ctx)
		switch {
		case err == nil:
			r.f.log.Info("the storage is there")
			return supervise.Permanent(nil)
		case ctx.Err() != nil:
			return ctx.Err()
		case err.Error() != said:
			said = err.Error()
			r.f.log.Warn("the storage is still away", slog.Any("error", err))
		}
		clock.Sleep(ctx, reopenInterval)
	}
	return supervise.Permanent(nil)
}

// prune removes what is older, or more, than the configuration keeps.
func (r *records) prune(ctx context.Context) error {
	pruned := telemetry.TopicOf[eventstore.Pruned](r.f.bus)
	tick := time.NewTicker(pruneInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		n, err := r.feed.Prune(ctx, retention(*r.keep.Load(), time.Now()))
		if n > 0 {
			pruned.Emit(ctx, eventstore.Pruned{Events: n})
		}
		if err != nil && !errors.Is(err, fault.Unavailable) {
			return err
		}
	}
}

func retention(e config.Events, now time.Time) eventstore.Retention {
	return eventstore.Retention{
		Before:   now.Add(-cmp.Or(e.Retention, defaultRetention)),
		MaxBytes: cmp.Or(e.MaxSize, defaultMaxSize),
	}
}

func (r *records) status(_ *assembly, s *Status) {
	if r.recorder == nil {
		return
	}
	s.Storage = StorageStatus{Kind: r.kind, Recorder: r.recorder.Status(), Events: r.stats.answer(r.feed, statsPatience)}
	s.Storage.Since, s.Storage.Err = r.storage.away()
	if s.Storage.Err == nil {
		s.Storage.Err, s.Storage.Since = s.Storage.Recorder.Err, s.Storage.Recorder.Since
	}
}

// close stores what waits, then ends the storage. It comes after all other parts, whose end
// is recorded too.
func (r *records) close(ctx context.Context, _ *assembly) error {
	if r.recorder == nil {
		return nil
	}
	r.f.drains.Wait()
	ctx, cancel := aMomentLonger(ctx, flushTimeout)
	defer cancel()
	err := errors.Join(r.recorder.Close(ctx), r.storage.finish(ctx))
	r.stats.wait(ctx)
	return err
}

// aMomentLonger is a context that ends after limit, and a moment after ctx: by then the
// parts before may have used up the time of the caller.
func aMomentLonger(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	stop := context.AfterFunc(ctx, func() {
		clock.Sleep(longer, grace)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}

// silence ends the listening for a configuration that did not come into force.
func (r *records) silence() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.recorder.Close(ctx) // nothing was recorded of a layer that never was
	r.recorder = nil
}

// discard closes the storage of a layer that could not be opened.
func (r *records) discard() {
	if r.storage == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := r.storage.finish(ctx); err != nil {
		r.f.log.Warn("the storage was not closed cleanly", slog.Any("error", err))
	}
}
