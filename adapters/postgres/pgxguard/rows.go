package pgxguard

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/elixirscope/foundation/protect/sqlguard"
)

// guardedRows gives back the call's place when the rows end. They can be asked for again
// until the first of them has come: pgx meets most errors of a query only then.
type guardedRows struct {
	pgx.Rows
	call  *call
	begun bool  // a row was handed out, or there is none
	last  error // of the last attempt that failed, as the guard has marked it

	ctx  context.Context //nolint:containedctx // the query's, for another attempt
	sql  string
	args []any
}

// query makes the query, until the guard grants no further attempt.
func (r *guardedRows) query() (pgx.Rows, error) {
	d, tok := r.call.db, r.call.token
	for {
		rows, err := d.db.Query(tok.Context(), r.sql, r.args...)
		if err == nil {
			return rows, nil
		}
		again, last := r.again(err)
		if !again {
			return rows, last
		}
	}
}

func (r *guardedRows) again(err error) (again bool, last error) {
	return sqlguard.Retry(r.ctx, r.call.token, r.call.db.outcome, NotExecuted(err), err)
}

// Next implements [pgx.Rows]: pgx closes the rows at their end.
func (r *guardedRows) Next() bool {
	for {
		if r.Rows.Next() {
			r.begun = true
			return true
		}
		if r.begun || !r.renew() {
			_ = r.call.end(r.Err())
			return false
		}
	}
}

// renew replaces rows that failed before there was one, if the guard grants another attempt.
func (r *guardedRows) renew() bool {
	again, last := r.again(r.Rows.Err())
	if again {
		var rows pgx.Rows
		if rows, last = r.query(); last == nil {
			r.Rows = rows
			return true
		}
	}
	r.begun, r.last = true, last
	return false
}

// Err implements [pgx.Rows].
func (r *guardedRows) Err() error {
	if r.last != nil {
		return r.last
	}
	return r.Rows.Err()
}

// Close implements [pgx.Rows].
func (r *guardedRows) Close() {
	defer r.call.token.Close() // does nothing, unless pgx or the table panicked
	r.Rows.Close()
	_ = r.call.end(r.Err())
}

// guardedRow is the first of some rows.
type guardedRow struct {
	rows pgx.Rows
	err  error
}

// Scan implements [pgx.Row].
func (r guardedRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// failedRows are the rows of a refused query.
type failedRows struct{ err error }

func (failedRows) Close()                                       {}
func (r failedRows) Err() error                                 { return r.err }
func (failedRows) CommandTag() pgconn.CommandTag                { return pgconn.CommandTag{} }
func (failedRows) FieldDescriptions() []pgconn.FieldDescription { return nil }
func (failedRows) Next() bool                                   { return false }
func (r failedRows) Scan(...any) error                          { return r.err }
func (r failedRows) Values() ([]any, error)                     { return nil, r.err }
func (failedRows) RawValues() [][]byte                          { return nil }
func (failedRows) Conn() *pgx.Conn                              { return nil }
func (failedRows) TypeMap() *pgtype.Map                         { return nil }

// guardedTx gives back the call's place when the transaction ends.
type guardedTx struct {
	pgx.Tx
	call *call
}

// Exec implements [pgx.Tx].
func (t *guardedTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	tag, err := t.Tx.Exec(ctx, sql, args...)
	t.call.note(err)
	return tag, err
}

// Query implements [pgx.Tx].
func (t *guardedTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	rows, err := t.Tx.Query(ctx, sql, args...)
	t.call.note(err)
	return rows, err
}

// Commit implements [pgx.Tx].
func (t *guardedTx) Commit(ctx context.Context) error { return t.call.end(t.Tx.Commit(ctx)) }

// Rollback implements [pgx.Tx].
func (t *guardedTx) Rollback(ctx context.Context) error { return t.call.end(t.Tx.Rollback(ctx)) }

// guardedBatch gives back the call's place when the results are closed.
type guardedBatch struct {
	pgx.BatchResults
	call *call
}

// Exec implements [pgx.BatchResults].
func (b *guardedBatch) Exec() (pgconn.CommandTag, error) {
	tag, err := b.BatchResults.Exec()
	b.call.note(err)
	return tag, err
}

// Query implements [pgx.BatchResults].
func (b *guardedBatch) Query() (pgx.Rows, error) {
	rows, err := b.BatchResults.Query()
	b.call.note(err)
	return rows, err
}

// Close implements [pgx.BatchResults].
func (b *guardedBatch) Close() error { return b.call.end(b.BatchResults.Close()) }

// failedBatch are the results of a refused batch.
type failedBatch struct{ err error }

func (b failedBatch) Exec() (pgconn.CommandTag, error) { return pgconn.CommandTag{}, b.err }
func (b failedBatch) Query() (pgx.Rows, error)         { return failedRows(b), b.err }
func (b failedBatch) QueryRow() pgx.Row                { return failedRows(b) }
func (b failedBatch) Close() error                     { return b.err }
func (failedBatch) Tx() pgx.Tx                         { return closedTx{} }

// closedTx is the transaction of a refused batch, whose deferred Rollback must
// find something.
type closedTx struct{ pgx.Tx }

func (closedTx) Commit(context.Context) error   { return pgx.ErrTxClosed }
func (closedTx) Rollback(context.Context) error { return pgx.ErrTxClosed }
