package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// Harness opens a store.
type Harness struct {
	// Open opens the store; the suite closes it. The first time it is empty; after that
	// it holds what it held when it was closed, if the store is durable.
	Open func(t *testing.T) eventstore.Store
	// Durable says that events outlive Close, and what Stats has to say.
	Durable bool
}

// Run holds the stores of fresh harnesses to the contract. Each part of the suite
// takes a harness of its own. A store must hold at least 5,000 events and 24 MiB.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"what is missing is filled in", testFilled},
		{"events are kept as they are", testKept},
		{"a batch with a fault is not stored", testFaults},
		{"an id is stored once", testOnce},
		{"queries", testQueries},
		{"pages", testPages},
		{"pages are bounded by bytes", testBigPages},
		{"invalid queries", testInvalidQueries},
		{"retention", testRetention},
		{"causes come first", testCauses},
		{"concurrent appends", testConcurrent},
		{"events are followed", testTail},
		{"a context that is done", testCanceled},
		{"close", testClose},
		{"open again", testReopen},
		{"random histories", testHistories},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Helper()
			part.test(t, fresh(t))
		})
	}
}

func (h Harness) open(t *testing.T) eventstore.Store {
	t.Helper()
	s := h.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func appendTo(t *testing.T, s eventstore.Store, events ...eventstore.Event) []eventstore.Event {
	t.Helper()
	stored, err := s.Append(t.Context(), events...)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if len(stored) != len(events) {
		t.Fatalf("append of %d events returned %d", len(events), len(stored))
	}
	return stored
}

// tb is what a test and a random history have in common.
type tb interface {
	Context() context.Context
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Helper()
}

// find follows the pages of a query to the last.
func find(t tb, s eventstore.Store, q eventstore.Query) []eventstore.Event {
	t.Helper()
	var all []eventstore.Event
	for {
		page, err := s.Find(context.WithoutCancel(t.Context()), q)
		if err != nil {
			t.Fatalf("find %+v: %v", q, err)
		}
		if len(page.Events) > q.PageSize() {
			t.Fatalf("find %+v: a page of %d events", q, len(page.Events))
		}
		all = append(all, page.Events...)
		if !page.More {
			return all
		}
		if page.Next == q.After {
			t.Fatalf("find %+v: there is more, but the cursor stands still", q)
		}
		q.After = page.Next
	}
}

func stats(t *testing.T, s eventstore.Store) eventstore.Stats {
	t.Helper()
	got, err := s.Stats(t.Context())
	if err != nil {
		t.Fatalf("stats: %v", err)
	}
	return got
}

func equal(a, b []eventstore.Event) bool {
	return slices.EqualFunc(a, b, func(a, b eventstore.Event) bool {
		same := a.Time.Equal(b.Time) && a.Time.Location() == b.Time.Location() && string(a.Data) == string(b.Data)
		a.Time, a.Data, b.Time, b.Data = time.Time{}, nil, time.Time{}, nil
		return same && reflect.DeepEqual(a, b)
	})
}

func wantEvents(t *testing.T, what string, got, want []eventstore.Event) {
	t.Helper()
	if !equal(got, want) {
		t.Errorf("%s: got %s\nwant %s", what, text(got), text(want))
	}
}

func text(events []eventstore.Event) string {
	if len(events) > 20 {
		events = events[:20]
	}
	out, err := json.Marshal(events)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// wantFault checks the code and the fields that the fault names.
func wantFault(t tb, what string, err error, code fault.Code, fields ...string) {
	t.Helper()
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || !errors.Is(err, code) {
		t.Errorf("%s: got %v, want %v", what, err, code)
		return
	}
	var got []string
	for _, p := range f.Problems() {
		got = append(got, p.Field)
	}
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(got, fields) {
		t.Errorf("%s: the fault names %q, want %q: %v", what, got, fields, err)
	}
}
