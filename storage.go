package foundation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// lateStorage is a storage that may not be there yet. It is opened and closed on goroutines
// of its own: who opens it may ignore every context, and must hold up nobody.
type lateStorage struct {
	open    func(ctx context.Context) (Storage, error)
	current atomic.Pointer[Storage]
	life    context.Context //nolint:containedctx // an attempt outlives the call that began it
	cancel  context.CancelFunc
	ended   chan struct{} // closed when Close has ended

	mu       sync.Mutex // guards the fields below; nothing is called under it
	err      error      // why it is not there
	since    time.Time
	attempt  chan struct{} // closed when the attempt that is being made has ended, nil without one
	closed   bool
	closeErr error // once ended is closed
}

func newLateStorage(open func(ctx context.Context) (Storage, error)) *lateStorage {
	l := &lateStorage{open: open, ended: make(chan struct{}), since: time.Now(), err: unopened("it is being opened", nil)}
	l.life, l.cancel = context.WithCancel(context.Background())
	return l
}

func unopened(message string, cause error) error {
	return fault.New(fault.Spec{Code: fault.Unavailable, Component: storageComponent, Message: message, Cause: cause})
}

// try opens the storage unless it is open. An attempt goes on when ctx ends, and the next
// call waits for it.
func (l *lateStorage) try(ctx context.Context) error {
	attempt := l.begin()
	if attempt == nil {
		return nil
	}
	select {
	case <-attempt:
		_, err := l.away()
		return err
	case <-ctx.Done():
		return unopened("it is still being opened", context.Cause(ctx))
	}
}

// begin returns the attempt that is being made, nil if there is nothing to open.
func (l *lateStorage) begin() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.current.Load() != nil {
		return nil
	}
	if l.attempt == nil {
		l.attempt = make(chan struct{})
		go l.make()
	}
	return l.attempt
}

// make is one attempt.
func (l *lateStorage) make() {
	var s Storage
	err := error(fault.New(fault.Spec{Code: fault.Internal, Component: storageComponent, Message: "opening it ended the goroutine"}))
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Spec{Code: fault.Internal, Component: storageComponent, Message: fmt.Sprintf("opening it panicked: %.500v", cause)})
		}
		l.take(s, err)
	}()
	s, err = l.open(l.life)
	if err == nil && s.Events == nil {
		err = fault.New(fault.Spec{Code: fault.InvalidArgument, Component: storageComponent, Message: "the store opened nothing and gave no error"})
	}
}

// take notes how an attempt ended. What it opened after the end is taken too: finally
// waits for the attempt and closes it.
func (l *lateStorage) take(s Storage, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err = err; err == nil {
		if s.History == nil {
			s.History = config.NewMemoryHistory()
		}
		l.current.Store(&s)
	}
	close(l.attempt)
	l.attempt = nil
}

// away says why the storage is not there, and since when; nil if it is.
func (l *lateStorage) away() (since time.Time, why error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return time.Time{}, nil
	}
	return l.since, l.err
}

// close ends what was opened. The methods are the user's, and may panic.
func (s Storage) close() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fault.New(fault.Spec{Code: fault.Internal, Component: storageComponent, Message: fmt.Sprintf("closing it panicked: %.500v", cause)})
		}
	}()
	err = s.Events.Close()
	if s.History != nil {
		err = errors.Join(err, s.History.Close())
	}
	if s.Close != nil {
		err = errors.Join(err, s.Close())
	}
	return err
}

// finish closes the storage and waits for that as long as ctx allows. What does not end is
// left behind; what is opened too late is closed.
func (l *lateStorage) finish(ctx context.Context) error {
	l.mu.Lock()
	attempt := l.attempt
	if !l.closed {
		l.closed = true
		go l.finally(attempt)
	}
	l.mu.Unlock()
	select {
	case <-l.ended:
		return l.closeErr
	case <-ctx.Done():
		return unopened("it has not ended in time and is left behind", context.Cause(ctx))
	}
}

func (l *lateStorage) finally(attempt <-chan struct{}) {
	defer close(l.ended)
	l.cancel()
	if attempt != nil {
		<-attempt
	}
	if s := l.current.Load(); s != nil {
		l.closeErr = s.close()
	}
}

// get returns the storage's events, or the fault to answer with.
func (l *lateStorage) get() (eventstore.Store, error) {
	s, err := l.there()
	return s.Events, err
}

func (l *lateStorage) there() (Storage, error) {
	if s := l.current.Load(); s != nil {
		return *s, nil
	}
	since, why := l.away()
	return Storage{}, unopened("the storage is away since "+since.UTC().Format(time.RFC3339), why)
}

// Append implements [eventstore.Store].
func (l *lateStorage) Append(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
	s, err := l.get()
	if err != nil {
		return nil, err
	}
	return s.Append(ctx, events...)
}

// Find implements [eventstore.Store].
func (l *lateStorage) Find(ctx context.Context, q eventstore.Query) (eventstore.Page, error) {
	s, err := l.get()
	if err != nil {
		return eventstore.Page{}, err
	}
	return s.Find(ctx, q)
}

// Prune implements [eventstore.Store].
func (l *lateStorage) Prune(ctx context.Context, r eventstore.Retention) (int, error) {
	s, err := l.get()
	if err != nil {
		return 0, err
	}
	return s.Prune(ctx, r)
}

// Stats implements [eventstore.Store].
func (l *lateStorage) Stats(ctx context.Context) (eventstore.Stats, error) {
	s, err := l.get()
	if err != nil {
		return eventstore.Stats{}, err
	}
	return s.Stats(ctx)
}

// Close implements [eventstore.Store]. A storage that comes later is not taken. A second
// Close waits for the first and returns the same.
func (l *lateStorage) Close() error { return l.finish(context.Background()) }

// guardedEvents sends writes through a guard of the layer's own: a store that is slow or
// down is then what its breaker says and not what every batch finds out anew.
type guardedEvents struct {
	eventstore.Store

	guard *guard.Guard
}

// Append implements [eventstore.Store].
func (g guardedEvents) Append(ctx context.Context, events ...eventstore.Event) (stored []eventstore.Event, err error) {
	err = through(ctx, g.guard, func(ctx context.Context) error {
		stored, err = g.Store.Append(ctx, events...)
		return err
	})
	return stored, err
}

// inquiry asks a store what it holds, one question at a time: a store that does not answer
// must not collect those who wait for it.
type inquiry struct {
	last atomic.Pointer[eventstore.Stats] // as last answered

	mu    sync.Mutex // guards asked
	asked chan struct{}
}

// answer is what the store says, or what it said last if it takes longer than patience.
func (q *inquiry) answer(s eventstore.Store, patience time.Duration) eventstore.Stats {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.ask(s):
	case <-timer.C:
	}
	if last := q.last.Load(); last != nil {
		return *last
	}
	return eventstore.Stats{}
}

func (q *inquiry) ask(s eventstore.Store) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.asked == nil {
		q.asked = make(chan struct{})
		go q.put(s)
	}
	return q.asked
}

func (q *inquiry) put(s eventstore.Store) {
	defer func() {
		_ = recover() // a store that panics has not answered
		q.mu.Lock()
		defer q.mu.Unlock()
		close(q.asked)
		q.asked = nil
	}()
	ctx, cancel := context.WithTimeout(context.Background(), inquiryTimeout)
	defer cancel()
	if now, err := s.Stats(ctx); err == nil {
		q.last.Store(&now)
	}
}

// wait waits until nobody asks any more, as long as ctx allows.
func (q *inquiry) wait(ctx context.Context) {
	q.mu.Lock()
	asked := q.asked
	q.mu.Unlock()
	if asked == nil {
		return
	}
	select {
	case <-asked:
	case <-ctx.Done():
	}
}
