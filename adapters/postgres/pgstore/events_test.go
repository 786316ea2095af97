package pgstore_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/adapters/postgres/pgstore"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/eventstore/storetest"
)

func open(t *testing.T, dsn string, o pgstore.Options) *pgstore.Storage {
	t.Helper()
	s, err := pgstore.Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var schemas atomic.Int32

// fresh returns options with a schema that no test has used.
func fresh() pgstore.Options {
	return pgstore.Options{Schema: fmt.Sprintf("test_%d", schemas.Add(1))}
}

// whole closes the storage with its events.
type whole struct {
	eventstore.Store

	storage *pgstore.Storage
}

func (w whole) Close() error { return errors.Join(w.Store.Close(), w.storage.Close()) }

func TestEvents(t *testing.T) {
	s := server(t)
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		o := fresh()
		return storetest.Harness{Durable: true, Open: func(t *testing.T) eventstore.Store {
			t.Helper()
			opened := open(t, s.DSN(), o)
			return whole{opened.Events(), opened}
		}}
	})
}

func add(t *testing.T, s *pgstore.Storage, events ...eventstore.Event) []eventstore.Event {
	t.Helper()
	stored, err := s.Events().Append(t.Context(), events...)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func all(t *testing.T, s *pgstore.Storage) (found []eventstore.Event) {
	t.Helper()
	for q := (eventstore.Query{Limit: eventstore.MaxLimit}); ; {
		page, err := s.Events().Find(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, page.Events...)
		if q.After = page.Next; !page.More {
			return found
		}
	}
}

// What no index helps to find is looked for in stretches.
func TestEvents_AQueryLooksThroughABoundedPart(t *testing.T) {
	o := fresh()
	s := open(t, server(t).DSN(), o)
	add(t, s, eventstore.Event{Type: "rare", Name: "1"}, eventstore.Event{Type: "rare", Name: "2"}, eventstore.Event{Type: "common", Name: "3"})
	for _, text := range []string{
		"UPDATE " + o.Schema + ".events SET seq = 350000 WHERE seq = 3", "UPDATE " + o.Schema + ".events SET seq = 250000 WHERE seq = 2", "UPDATE " + o.Schema + ".counters SET last_seq = 350000",
	} {
		if err := s.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		q     eventstore.Query
		names string
		pages int
	}{
		{eventstore.Query{Type: "rare"}, "1 2", 4},
		{eventstore.Query{Type: "rare", Order: eventstore.Descending}, "2 1", 4},
		{eventstore.Query{Type: "none"}, "", 4},
		{eventstore.Query{Type: "rare", After: 240_000}, "2", 2},
		{eventstore.Query{Type: "common", After: 349_000, Since: time.Now().Add(-time.Hour)}, "3", 1},
		{eventstore.Query{Type: "rare", Since: time.Now().Add(-time.Hour)}, "1 2", 1}, // few in the range of time
	} {
		var names []string
		pages := 0
		for page := (eventstore.Page{More: true, Next: c.q.After}); page.More; pages++ {
			c.q.After = page.Next
			var err error
			if page, err = s.Events().Find(t.Context(), c.q); err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Events {
				names = append(names, e.Name)
			}
			if !page.More && c.q.Order == eventstore.Ascending && page.Next != 350_000 {
				t.Errorf("%+v ends at %d", c.q, page.Next)
			}
		}
		if got := strings.Join(names, " "); got != c.names || pages != c.pages {
			t.Errorf("%+v: %q in %d pages, want %q in %d", c.q, got, pages, c.names, c.pages)
		}
	}
}
