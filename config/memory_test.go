package config_test

import (
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/config/historytest"
)

func TestMemoryHistory(t *testing.T) {
	historytest.Run(t, func(*testing.T) historytest.Harness {
		return historytest.Harness{Open: func(*testing.T) config.History { return config.NewMemoryHistory() }}
	})
}

func TestMemoryHistory_IsBoundedByItsDocuments(t *testing.T) {
	h := config.NewMemoryHistory()
	text := strings.Repeat("x", 4<<20)
	for i := range uint64(20) {
		for _, outcome := range []string{config.OutcomeApplied, config.OutcomeRefused} {
			if err := h.Add(t.Context(), config.Record{Revision: i + 1, Text: text, Outcome: outcome}); err != nil {
				t.Fatal(err)
			}
		}
	}
	records, err := h.List(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 8 || records[1].Revision != 20 || records[7].Revision != 14 {
		t.Errorf("%d records are kept, from revision %d", len(records), records[len(records)-1].Revision)
	}
	for _, r := range records[1:] {
		if r.Outcome != config.OutcomeApplied {
			t.Errorf("a refused change is kept in the place of one that was applied: revision %d", r.Revision)
		}
	}
}
