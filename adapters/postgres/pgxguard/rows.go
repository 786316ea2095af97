package pgxguard

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// guardedRows gives back the call's place when the rows end.
type guardedRows struct {
	pgx.Rows
	call *call
}

// Next implements [pgx.Rows]: pgx closes the rows at their end.
func (r *guardedRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	_ = r.call.end(r.Err())
	return false
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
