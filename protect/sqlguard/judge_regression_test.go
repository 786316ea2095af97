package sqlguard_test

import (
	"testing"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

// A judge of the user's own may panic, in whichever call it is asked.
func TestAJudgeThatPanicsKeepsNoPlace(t *testing.T) {
	judge := sqlguard.WithOutcome(func(error) outcome.Outcome { panic("as told") })
	for about, call := range map[string]func(*fixture){
		"exec":         func(f *fixture) { _, _ = f.db.Exec(t.Context(), "fine") },
		"failed query": func(f *fixture) { closeRows(f.db.Query(t.Context(), "unique")) },
		"rows":         func(f *fixture) { closeRows(f.db.Query(t.Context(), "three")) },
		"all rows": func(f *fixture) {
			if rows, err := f.db.Query(t.Context(), "three"); err == nil {
				for rows.Next() {
				}
			}
		},
		"no transaction": func(f *fixture) {
			f.fake.refuseDials.Store(true)
			_, _ = f.db.BeginTx(t.Context(), nil)
		},
		"commit": func(f *fixture) {
			if tx, err := f.db.BeginTx(t.Context(), nil); err == nil {
				_ = tx.Commit()
			}
		},
		"rollback": func(f *fixture) {
			if tx, err := f.db.BeginTx(t.Context(), nil); err == nil {
				_ = tx.Rollback()
			}
		},
	} {
		f := newFixture(t, 0, judge)
		func() {
			defer func() { _ = recover() }()
			call(f)
		}()
		if !f.free() {
			t.Errorf("%s: the place is kept", about)
		}
	}
	f := newFixture(t, 0, nil, sqlguard.WithOutcome(nil))
	if _, err := f.db.Exec(t.Context(), "shutdown"); err == nil || !f.open() {
		t.Errorf("without a judge: %v, open %v", err, f.open())
	}
}

func closeRows(rows *sqlguard.Rows, err error) {
	if err == nil {
		rows.Close()
	}
}
