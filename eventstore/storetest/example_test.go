package storetest_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/eventstore/storetest"
	"github.com/elixirscope/foundation/fault"
)

// list is a store of one's own: the shortest that keeps the contract.
type list struct {
	mu     sync.Mutex // guards what follows
	events []eventstore.Event
	seq    uint64
	closed bool
}

// enter takes the lock, or says why the store cannot be used.
func (l *list) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return fault.New(fault.Spec{Code: fault.Canceled, Component: "event_store", Cause: context.Cause(ctx)})
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return fault.New(fault.Spec{Code: fault.Closed, Component: "event_store"})
	}
	return nil
}

func (l *list) Append(ctx context.Context, events ...eventstore.Event) ([]eventstore.Event, error) {
	stored, err := eventstore.Prepare(time.Now(), events)
	if err != nil {
		return nil, err
	}
	if err := l.enter(ctx); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	var twice []int
	for i, e := range stored {
		if slices.ContainsFunc(l.events, func(old eventstore.Event) bool { return old.ID == e.ID }) {
			twice = append(twice, i)
		}
	}
	if err := eventstore.Exists(stored, twice...); err != nil {
		return nil, err
	}
	for i := range stored {
		l.seq++
		stored[i].Seq = l.seq
		l.events = append(l.events, own(stored[i]))
	}
	return stored, nil
}

// own gives an event data of its own.
func own(e eventstore.Event) eventstore.Event {
	e.Data = bytes.Clone(e.Data)
	return e
}

func (l *list) Find(ctx context.Context, q eventstore.Query) (eventstore.Page, error) {
	if err := q.Validate(); err != nil {
		return eventstore.Page{}, err
	}
	if err := l.enter(ctx); err != nil {
		return eventstore.Page{}, err
	}
	defer l.mu.Unlock()
	events := slices.Clone(l.events)
	if q.Order == eventstore.Descending {
		slices.Reverse(events)
	}
	page, size := eventstore.Page{Next: q.After}, 0
	for _, e := range events {
		if !q.Matches(&e) {
			continue
		}
		if size += e.Size(); len(page.Events) == q.PageSize() || len(page.Events) > 0 && size > eventstore.MaxPageBytes {
			page.More = true
			return page, nil
		}
		page.Events, page.Next = append(page.Events, own(e)), e.Seq
	}
	if q.Order == eventstore.Ascending {
		page.Next = max(q.After, l.seq)
	}
	return page, nil
}

func (l *list) Prune(ctx context.Context, r eventstore.Retention) (int, error) {
	if err := r.Validate(); err != nil {
		return 0, err
	}
	if err := l.enter(ctx); err != nil {
		return 0, err
	}
	defer l.mu.Unlock()
	held := len(l.events)
	l.events = slices.DeleteFunc(l.events, func(e eventstore.Event) bool { return e.Time.Before(r.Before) })
	for r.MaxBytes > 0 && len(l.events) > 0 && l.size() > r.MaxBytes {
		l.events = l.events[1:]
	}
	return held - len(l.events), nil
}

func (l *list) size() (n int64) {
	for i := range l.events {
		n += int64(l.events[i].Size())
	}
	return n
}

func (l *list) Stats(ctx context.Context) (eventstore.Stats, error) {
	if err := l.enter(ctx); err != nil {
		return eventstore.Stats{}, err
	}
	defer l.mu.Unlock()
	s := eventstore.Stats{Events: len(l.events), Bytes: l.size()}
	if n := len(l.events); n > 0 {
		s.Oldest, s.Newest = l.events[0].Seq, l.events[n-1].Seq
	}
	return s, nil
}

func (l *list) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	return nil
}

func TestOwnStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		return storetest.Harness{Open: func(*testing.T) eventstore.Store { return new(list) }}
	})
}

// A store of one's own that is held to the contract, see the source, serves wherever
// a Store does.
func ExampleRun() {
	var store eventstore.Store = new(list) // TestOwnStore runs the suite over it
	ctx := context.Background()
	if _, err := store.Append(ctx, eventstore.Event{Type: "deploy.started"}, eventstore.Event{Type: "deploy.finished"}); err != nil {
		fmt.Println(err)
	}
	page, err := store.Find(ctx, eventstore.Query{Type: "deploy.*", Order: eventstore.Descending, Limit: 1})
	fmt.Println(page.Events[0].Type, page.More, err)
	// Output: deploy.finished true <nil>
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
