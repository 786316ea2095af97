package sqlite_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/eventstore/storetest"
)

func open(t *testing.T, dir string) *sqlite.Storage {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
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

// whole closes the storage with its events.
type whole struct {
	eventstore.Store

	storage *sqlite.Storage
}

func (w whole) Close() error { return errors.Join(w.Store.Close(), w.storage.Close()) }

func TestEvents(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		t.Helper()
		dir := t.TempDir()
		return storetest.Harness{Durable: true, Open: func(t *testing.T) eventstore.Store {
			t.Helper()
			s := open(t, dir)
			return whole{s.Events(), s}
		}}
	})
}

// What no index helps to find is looked for in stretches.
func TestEvents_AQueryLooksThroughABoundedPart(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := s.Events().Append(t.Context(), eventstore.Event{Type: "rare", Name: "1"}, eventstore.Event{Type: "rare", Name: "2"}, eventstore.Event{Type: "common", Name: "3"})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"UPDATE events SET seq = 350000 WHERE seq = 3", "UPDATE events SET seq = 250000 WHERE seq = 2", "UPDATE counters SET last_seq = 350000",
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
