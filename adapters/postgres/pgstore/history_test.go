package pgstore_test

import (
	"errors"
	"testing"

	"github.com/elixirscope/foundation/adapters/postgres/pgstore"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/config/historytest"
	"github.com/elixirscope/foundation/fault"
)

// wholeHistory closes the storage with its history.
type wholeHistory struct {
	config.History

	storage *pgstore.Storage
}

func (w wholeHistory) Close() error { return errors.Join(w.History.Close(), w.storage.Close()) }

func TestHistory(t *testing.T) {
	s := server(t)
	historytest.Run(t, func(t *testing.T) historytest.Harness {
		t.Helper()
		o := fresh()
		return historytest.Harness{Durable: true, Open: func(t *testing.T) config.History {
			t.Helper()
			opened := open(t, s.DSN(), o)
			return wholeHistory{opened.History(), opened}
		}}
	})
}

func TestAHistoryThatIsDamagedOrAway(t *testing.T) {
	s, o := server(t), fresh()
	opened := open(t, s.DSN(), o)
	h := opened.History()
	// What no text of PostgreSQL can hold does not keep a change from being recorded.
	if err := h.Add(t.Context(), config.Record{Revision: 1, Outcome: config.OutcomeApplied, Reason: "a\x00b\xff"}); err != nil {
		t.Fatal(err)
	}
	if r, err := h.Revision(t.Context(), 1); err != nil || r.Reason != "a\x00b\ufffd" {
		t.Errorf("%+v, %v", r, err)
	}
	admin(t, s.DSN(), "UPDATE "+o.Schema+".history SET record = '{'")
	_, err := h.Revision(t.Context(), 1)
	wantFault(t, err, fault.DataCorrupt, "record 1 of the history")
	_, err = h.List(t.Context(), 0, 0)
	wantFault(t, err, fault.DataCorrupt)
	s.Stop()
	wantFault(t, h.Add(t.Context(), config.Record{Outcome: config.OutcomeApplied}), fault.Unavailable)
	_, err = h.List(t.Context(), 0, 0)
	wantFault(t, err, fault.Unavailable)
}
