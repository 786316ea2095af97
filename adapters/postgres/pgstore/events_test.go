package pgstore_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

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
