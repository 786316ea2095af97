package sqlite_test

import (
	"errors"
	"testing"

	"github.com/elixirscope/foundation/adapters/sqlite"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/config/historytest"
	"github.com/elixirscope/foundation/fault"
)

// wholeHistory closes the storage with its history.
type wholeHistory struct {
	config.History

	storage *sqlite.Storage
}

func (w wholeHistory) Close() error { return errors.Join(w.History.Close(), w.storage.Close()) }

func TestHistory(t *testing.T) {
	historytest.Run(t, func(t *testing.T) historytest.Harness {
		t.Helper()
		dir := t.TempDir()
		return historytest.Harness{Durable: true, Open: func(t *testing.T) config.History {
			t.Helper()
			s := open(t, dir)
			return wholeHistory{s.History(), s}
		}}
	})
}

func TestAHistoryThatIsDamaged(t *testing.T) {
	s := open(t, t.TempDir())
	h := s.History()
	if err := h.Add(t.Context(), config.Record{Revision: 1, Outcome: config.OutcomeApplied}); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(t.Context(), "UPDATE history SET record = '{'"); err != nil {
		t.Fatal(err)
	}
	_, err := h.Revision(t.Context(), 1)
	wantFault(t, err, fault.DataCorrupt, "record 1 of the history")
	_, err = h.List(t.Context(), 0, 0)
	wantFault(t, err, fault.DataCorrupt)
}

// A database of the version before the history keeps its events, and gets one.
func TestTheFirstVersionOfTheSchema(t *testing.T) {
	dir := t.TempDir()
	s, err := sqlite.OpenFirst(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, 100)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if n := count(t, s); n != 100 {
		t.Errorf("%d events after the migration", n)
	}
	if err := s.History().Add(t.Context(), config.Record{Revision: 1, Outcome: config.OutcomeApplied}); err != nil {
		t.Error(err)
	}
}
