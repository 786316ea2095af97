package eventstore

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Feed is a [Store] whose events can be followed while they are stored. It keeps no
// queue: every reader asks the store for what follows the last event that it has
// seen, so a slow one neither loses events nor holds up whoever appends. It is safe
// for concurrent use and has no goroutine.
type Feed struct {
	Store

	poll time.Duration
	stop func()

	mu   sync.Mutex    // guards news
	news chan struct{} // closed at the next commit; nil while nobody waits
}

// NewFeed returns a feed of a store. It hears of new events from the store, if that
// is a [Notifier], else from Append of the feed itself, through which everything must
// pass then. Poll is how often a waiting reader looks besides, for stores that other
// processes append to; 0 means never. Close of the feed closes the store.
func NewFeed(s Store, poll time.Duration) *Feed {
	f := &Feed{Store: s, poll: poll, stop: func() {}}
	if n, ok := s.(Notifier); ok {
		f.stop = n.Notify(f.wake)
	}
	return f
}

// Append stores events and wakes the readers.
func (f *Feed) Append(ctx context.Context, events ...Event) ([]Event, error) {
	defer f.wake()
	return f.Store.Append(ctx, events...)
}

// Close closes the store. Readers end with its fault.
func (f *Feed) Close() error {
	err := f.Store.Close()
	f.stop()
	f.wake()
	return err
}

// Tail yields the events that match q, those that are stored and then those that
// come, in the order of Seq and each exactly once, until the loop is left or an error
// is yielded: canceled when ctx ends, closed when the store is closed, or whatever
// Find answered. Query.Limit is only the size of a page; Query.Order must be
// Ascending. An event that is pruned before the reader comes to it is not yielded.
//
// To see only what comes, set Query.After to Stats.Newest.
func (f *Feed) Tail(ctx context.Context, q Query) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			news := f.next() // before Find, so that nothing comes unnoticed in between
			page, err := f.page(ctx, q)
			if err != nil {
				yield(Event{}, err)
				return
			}
			for i := range page.Events {
				if !yield(page.Events[i], nil) {
					return
				}
			}
			q.After = page.Next
			if !page.More {
				f.wait(ctx, news)
			}
		}
	}
}

func (f *Feed) page(ctx context.Context, q Query) (Page, error) {
	if q.Order != Ascending {
		var ps fault.Problems
		ps.Add("order", q.Order, "must be ascending: events are followed in the order in which they are stored")
		return Page{}, invalid(ps, "the query is invalid")
	}
	if err := canceled(ctx); err != nil {
		return Page{}, err
	}
	return f.Find(ctx, q)
}

// wait returns at the next commit, when it is time to look, or when ctx ends.
func (f *Feed) wait(ctx context.Context, news <-chan struct{}) {
	var look <-chan time.Time
	if f.poll > 0 {
		timer := time.NewTimer(f.poll)
		defer timer.Stop()
		look = timer.C
	}
	select {
	case <-news:
	case <-look:
	case <-ctx.Done():
	}
}

func (f *Feed) next() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.news == nil {
		f.news = make(chan struct{})
	}
	return f.news
}

func (f *Feed) wake() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.news != nil {
		close(f.news)
		f.news = nil
	}
}
