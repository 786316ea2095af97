package sqlite_test

import (
	"errors"
	"testing"

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
