package pgxguard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elixirscope/foundation/adapters/postgres/pgxguard"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
)

// scripted is a database whose every step ends with err.
type scripted struct{ begins, queries, err error }

type (
	scriptedDB struct {
		pgxguard.Database
		*scripted
	}
	scriptedRows struct {
		pgx.Rows
		*scripted
	}
	scriptedTx struct {
		pgx.Tx
		*scripted
	}
	scriptedBatch struct {
		pgx.BatchResults
		*scripted
	}
)

func (s scriptedDB) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return scriptedRows{scripted: s.scripted}, s.queries
}

func (s scriptedDB) BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error) {
	return scriptedTx{scripted: s.scripted}, s.begins
}

func (s scriptedDB) SendBatch(context.Context, *pgx.Batch) pgx.BatchResults {
	return scriptedBatch{scripted: s.scripted}
}

func (s scriptedDB) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, s.err
}

func (s scriptedTx) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return pgconn.CommandTag{}, s.err
}
func (scriptedTx) Commit(context.Context) error   { return nil }
func (scriptedTx) Rollback(context.Context) error { return pgx.ErrTxClosed }

func (scriptedRows) Next() bool      { return false }
func (scriptedRows) Close()          {}
func (s scriptedRows) Err() error    { return s.err }
func (s scriptedBatch) Close() error { return s.err }

// The bug: a call kept its place for its lease if the table of outcomes, or a method
// of the error that it was asked about, did not return.
func TestUserCodeThatDoesNotReturnHoldsNothing(t *testing.T) {
	down := errors.New("down")
	for way, end := range testkit.Ends() {
		table := pgxguard.WithOutcome(func(err error) outcome.Outcome {
			if err != nil && !errors.Is(err, pgx.ErrTxClosed) {
				end()
			}
			return pgxguard.Outcome(err)
		})
		for name, c := range map[string]struct {
			db  *scripted
			run func(ctx context.Context, db *pgxguard.DB)
		}{
			"exec": {&scripted{err: down}, func(ctx context.Context, db *pgxguard.DB) { _, _ = db.Exec(ctx, "") }},
			"query": {&scripted{queries: down}, func(ctx context.Context, db *pgxguard.DB) {
				rows, _ := db.Query(ctx, "")
				rows.Close()
			}},
			"rows": {&scripted{err: down}, func(ctx context.Context, db *pgxguard.DB) {
				rows, _ := db.Query(ctx, "")
				defer rows.Close()
				rows.Next()
			}},
			"rows, closed": {&scripted{err: down}, func(ctx context.Context, db *pgxguard.DB) {
				rows, _ := db.Query(ctx, "")
				rows.Close()
			}},
			"begin": {&scripted{begins: down}, func(ctx context.Context, db *pgxguard.DB) { _, _ = db.Begin(ctx) }},
			"in a tx": {&scripted{err: down}, func(ctx context.Context, db *pgxguard.DB) {
				tx, err := db.Begin(ctx)
				if err != nil {
					return
				}
				defer func() { _ = tx.Rollback(ctx) }()
				_, _ = tx.Exec(ctx, "")
				_ = tx.Commit(ctx)
			}},
			"batch": {&scripted{err: down}, func(ctx context.Context, db *pgxguard.DB) { _ = db.SendBatch(ctx, nil).Close() }},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				b, err := breaker.New("orders", breaker.Config{FailureThreshold: 1, Window: time.Minute})
				if err != nil {
					t.Fatal(err)
				}
				g, err := guard.New("orders", guard.Config{Breaker: b, Concurrency: 1})
				if err != nil {
					t.Fatal(err)
				}
				ended := testkit.Apart(func() { c.run(t.Context(), pgxguard.New(scriptedDB{scripted: c.db}, g, table)) })
				if s := g.Status(); !ended || s.InFlight != 0 || s.SlotsTaken != 0 || s.Results[guard.Failed] != 1 || b.State() != breaker.StateOpen {
					t.Errorf("ended %v, %d in flight, %d places, %v, the breaker is %v", ended, s.InFlight, s.SlotsTaken, s.Results, b.State())
				}
			})
		}
	}
}

func TestOutcome_AFailureWins(t *testing.T) {
	refusal, down := fault.New(fault.Spec{Code: fault.RateLimited}), errors.New("no route to host")
	for want, errs := range map[outcome.Outcome][]error{
		outcome.Success: {errors.Join(pgx.ErrNoRows, pgx.ErrTxClosed), errors.Join(refusal, &pgconn.PgError{Code: "23505"})},
		outcome.Ignored: {errors.Join(refusal, pgx.ErrTxClosed)},
		outcome.Failure: {errors.Join(down, refusal), errors.Join(pgx.ErrNoRows, down), errors.Join(down, pgx.ErrTxClosed)},
	} {
		for _, err := range errs {
			if got := pgxguard.Outcome(err); got != want {
				t.Errorf("%v is %v, want %v", err, got, want)
			}
		}
	}
}
