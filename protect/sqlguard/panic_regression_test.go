package sqlguard_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

// The bug: the table of outcomes is the user's, and so are the methods of errors; if
// they did not return, a query, its rows or a transaction kept its place for its lease.
func TestUserCodeThatDoesNotReturnHoldsNothing(t *testing.T) {
	for way, end := range testkit.Ends() {
		at := "" // the SQLSTATE, or "nil", at which the table does not return
		table := sqlguard.WithOutcome(func(err error) outcome.Outcome {
			if err == nil && at == "nil" || err != nil && at == "any" {
				end()
			}
			return sqlguard.Outcome(err)
		})
		for name, c := range map[string]struct {
			at  string
			run func(ctx context.Context, db *sqlguard.DB)
		}{
			"exec":       {"any", func(ctx context.Context, db *sqlguard.DB) { _, _ = db.Exec(ctx, "shutdown") }},
			"exec, good": {"nil", func(ctx context.Context, db *sqlguard.DB) { _, _ = db.Exec(ctx, "fine") }},
			"query":      {"any", func(ctx context.Context, db *sqlguard.DB) { readAll(ctx, db, "shutdown") }},
			"rows":       {"any", func(ctx context.Context, db *sqlguard.DB) { readAll(ctx, db, "breaks") }},
			"rows, good": {"nil", func(ctx context.Context, db *sqlguard.DB) { readAll(ctx, db, "three") }},
			"closed":     {"nil", func(ctx context.Context, db *sqlguard.DB) { closeEarly(ctx, db) }},
			"row":        {"nil", func(ctx context.Context, db *sqlguard.DB) { var n int; _ = db.QueryRow(ctx, "three").Scan(&n) }},
			"begin":      {"any", func(ctx context.Context, db *sqlguard.DB) { beginWithout(ctx, db) }},
			"commit":     {"nil", func(ctx context.Context, db *sqlguard.DB) { inTx(ctx, db, "fine") }},
			"in a tx":    {"any", func(ctx context.Context, db *sqlguard.DB) { inTx(ctx, db, "unique") }},
			"in a closure": {"", func(ctx context.Context, db *sqlguard.DB) {
				_ = db.Do(ctx, func(context.Context, *sql.DB) error { return testkit.RudeError(end) })
			}},
			"in InTx": {"", func(ctx context.Context, db *sqlguard.DB) {
				_ = db.InTx(ctx, nil, func(context.Context, *sql.Tx) error { return testkit.RudeError(end) })
			}},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				f := newFixture(t, 0, table)
				if name == "begin" {
					f.fake.refuseDials.Store(true)
				}
				at = c.at
				ended := testkit.Apart(func() { c.run(t.Context(), f.db) })
				at = ""
				if s := f.guard.Status(); !ended || s.InFlight != 0 || s.SlotsTaken != 0 || s.Results[guard.Failed] != 1 || !f.open() {
					t.Errorf("ended %v, %d in flight, %d places, %v, open %v", ended, s.InFlight, s.SlotsTaken, s.Results, f.open())
				}
			})
		}
	}
}

func readAll(ctx context.Context, db *sqlguard.DB, query string) {
	rows, err := db.Query(ctx, query)
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() {
	}
	_ = rows.Err()
}

func closeEarly(ctx context.Context, db *sqlguard.DB) {
	rows, err := db.Query(ctx, "three")
	if err != nil {
		return
	}
	_ = rows.Close()
	_ = rows.Err()
}

func beginWithout(ctx context.Context, db *sqlguard.DB) {
	if tx, err := db.BeginTx(ctx, nil); err == nil {
		_ = tx.Rollback()
	}
}

func inTx(ctx context.Context, db *sqlguard.DB, query string) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return
	}
	defer func() { _ = tx.Rollback() }()
	_, _ = tx.Exec(query)
	_ = tx.Commit()
}
