package sqlguard

import (
	"context"
	"database/sql"
	"sync"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// Tx is [sql.Tx] whose end gives back the call's place in the guard. The worst of
// what its Exec and Query methods and its end meet decides the outcome.
type Tx struct {
	*sql.Tx
	db         *DB
	handedOver bool

	// mu guards what is below: statements of a transaction may come from several
	// goroutines. Nothing of the driver runs under it.
	mu    sync.Mutex
	token *guard.Token
	ended bool
	worst error // the first error that the table calls a failure
}

// Context is the context under which the transaction runs: it ends with it.
func (t *Tx) Context() context.Context { return t.token.Context() }

// ExecContext is [sql.Tx.ExecContext].
func (t *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	result, err := t.Tx.ExecContext(ctx, query, args...)
	t.note(err)
	return result, err
}

// Exec is [sql.Tx.Exec].
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	return t.ExecContext(t.Context(), query, args...)
}

// QueryContext is [sql.Tx.QueryContext].
func (t *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := t.Tx.QueryContext(ctx, query, args...)
	t.note(err)
	return rows, err
}

// Query is [sql.Tx.Query].
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	return t.QueryContext(t.Context(), query, args...)
}

// QueryRowContext is [sql.Tx.QueryRowContext].
func (t *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	row := t.Tx.QueryRowContext(ctx, query, args...)
	t.note(row.Err())
	return row
}

// QueryRow is [sql.Tx.QueryRow].
func (t *Tx) QueryRow(query string, args ...any) *sql.Row {
	return t.QueryRowContext(t.Context(), query, args...)
}

// Commit is [sql.Tx.Commit].
func (t *Tx) Commit() error {
	err := t.Tx.Commit()
	t.end(err)
	return err
}

// Rollback is [sql.Tx.Rollback].
func (t *Tx) Rollback() error {
	err := t.Tx.Rollback()
	t.end(err)
	return err
}

// note keeps the first error that speaks against the database. One that the table
// panics at is such an error.
func (t *Tx) note(err error) {
	o := outcome.Failure
	defer func() {
		if o == outcome.Failure {
			t.keep(err)
		}
	}()
	o = t.db.outcome(err)
}

func (t *Tx) keep(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.worst == nil {
		t.worst = err
	}
}

func (t *Tx) end(err error) {
	t.mu.Lock()
	first := !t.ended
	t.ended = true
	t.mu.Unlock()
	if !first {
		return
	}
	defer t.token.Close() // also if the judge panics
	t.note(err)
	t.mu.Lock()
	if t.worst != nil {
		err = t.worst
	}
	t.mu.Unlock()
	_ = t.db.settle(t.token, err)
}

// abandon runs also if the driver or the judge of its error panicked.
func (t *Tx) abandon() {
	if !t.handedOver {
		t.token.Close()
	}
}
