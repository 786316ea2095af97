package storetest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// Causes and their effects, appended as they happen, are found in that order, and
// following parents ends.
func testCauses(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	parent := ""
	for i := range 30 {
		e := eventstore.Event{Type: fmt.Sprintf("step.%d", i), Correlation: "request", Parent: parent}
		if i%3 == 0 {
			e.ID = eventstore.NewID()
		}
		parent = appendTo(t, s, e, eventstore.Event{Type: "noise", Correlation: "other"})[0].ID
	}
	places := map[string]int{}
	for i, e := range find(t, s, eventstore.Query{Correlation: "request", Limit: 7}) {
		if e.Type != fmt.Sprintf("step.%d", i) {
			t.Fatalf("place %d holds %s", i, e.Type)
		}
		if at, ok := places[e.Parent]; i > 0 && (!ok || at >= i) {
			t.Errorf("%s: its cause is not before it", e.Type)
		}
		places[e.ID] = i
	}
	if len(places) != 30 {
		t.Errorf("%d events, want 30", len(places))
	}
}

const (
	writers = 16
	each    = 40
)

// write appends from many goroutines at once, single events and pairs.
func write(t *testing.T, s eventstore.Store) {
	t.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				events := []eventstore.Event{{Type: "w", Component: strconv.Itoa(w), Name: strconv.Itoa(i)}}
				if i%5 == 0 {
					events = append(events, eventstore.Event{Type: "pair", Component: strconv.Itoa(w), Name: strconv.Itoa(i)})
				}
				stored, err := s.Append(t.Context(), events...)
				if err != nil {
					t.Errorf("append: %v", err)
				} else if len(stored) == 2 && stored[1].Seq <= stored[0].Seq {
					t.Errorf("a batch out of order: %s", text(stored))
				}
			}
		})
	}
	wg.Wait()
}

// check sees every written event once, each writer's in its order.
type check struct {
	seen int
	ids  map[string]bool
	last uint64
	next [writers]int
}

func (c *check) see(t *testing.T, e eventstore.Event) {
	t.Helper()
	if c.ids == nil {
		c.ids = map[string]bool{}
	}
	if e.Seq <= c.last || c.ids[e.ID] {
		t.Errorf("seq %d after %d, id %s seen before: %v", e.Seq, c.last, e.ID, c.ids[e.ID])
	}
	c.seen, c.last, c.ids[e.ID] = c.seen+1, e.Seq, true
	if e.Type != "w" {
		return
	}
	var w, i int
	if _, err := fmt.Sscan(e.Component+" "+e.Name, &w, &i); err != nil || i != c.next[w] {
		t.Errorf("writer %d: event %d, want %d (%v)", w, i, c.next[w], err)
	}
	c.next[w]++
}

const written = writers * (each + each/5)

func testConcurrent(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	var wg sync.WaitGroup
	var live check
	wg.Go(func() { // a reader that pages while others write misses nothing
		for q := (eventstore.Query{Limit: 50}); live.seen < written && !t.Failed(); {
			page, err := s.Find(t.Context(), q)
			if err != nil {
				t.Errorf("find: %v", err)
				return
			}
			for _, e := range page.Events {
				live.see(t, e)
			}
			q.After = page.Next
		}
	})
	write(t, s)
	wg.Wait()
	var after check
	for _, e := range find(t, s, eventstore.Query{Limit: 100}) {
		after.see(t, e)
	}
	if after.seen != written || stats(t, s).Events != written {
		t.Errorf("%d events are found, stats %+v, want %d", after.seen, stats(t, s), written)
	}
}

func testTail(t *testing.T, h Harness) {
	t.Helper()
	s := eventstore.NewFeed(h.open(t), 0)
	before := appendTo(t, s, eventstore.Event{Type: "before"})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	readers := make([]check, 3)
	for r := range readers {
		wg.Go(func() {
			q := eventstore.Query{After: before[0].Seq, Limit: 10 * (r + 1)}
			for e, err := range s.Tail(ctx, q) {
				if err != nil {
					t.Errorf("tail: %v", err)
					return
				}
				if readers[r].see(t, e); readers[r].seen == written {
					return
				}
			}
		})
	}
	write(t, s)
	wg.Wait()

	cancel()
	for _, err := range s.Tail(ctx, eventstore.Query{}) {
		wantFault(t, "tail with a context that is done", err, fault.Canceled)
	}
	for _, err := range s.Tail(t.Context(), eventstore.Query{Order: eventstore.Descending}) {
		wantFault(t, "tail backwards", err, fault.InvalidArgument, "order")
	}
	wg.Go(func() {
		for _, err := range s.Tail(t.Context(), eventstore.Query{Type: "none"}) {
			wantFault(t, "tail of a store that is closed", err, fault.Closed)
		}
	})
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
}
