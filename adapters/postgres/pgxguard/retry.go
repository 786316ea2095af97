package pgxguard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

// NotExecuted reports whether err, of a call outside of a transaction, says that the database has
// not executed anything: [pgconn.SafeToRetry] says so, or no connection could be made.
func NotExecuted(err error) bool {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return sqlguard.NotExecuted(err)
}

// run makes a guarded call, in one attempt or several. fn reports beside its error whether
// it is safe to call it again although the call is not idempotent.
func (d *DB) run(ctx context.Context, call guard.Call, fn func(context.Context, Database) (safe bool, err error)) error {
	if call.Lease == 0 {
		call.Lease = -1 // the token is closed below, however long the call takes
	}
	tok, err := d.guard.Enter(ctx, call)
	if err != nil {
		return err
	}
	defer tok.Close()
	for {
		safe, err := fn(tok.Context(), d.db)
		again, last := sqlguard.Retry(ctx, tok, d.outcome, safe, err)
		if !again {
			return d.settle(tok, last)
		}
	}
}

// transaction is how a transaction, or what is like one, is described: no part of it is made
// twice, also if the calls of d are idempotent.
func (d *DB) transaction() guard.Call {
	call := d.call
	call.Idempotent = false
	return call
}

// watchedSource knows whether anything was taken from a source, which cannot be put back.
type watchedSource struct {
	pgx.CopyFromSource
	taken bool
}

// Next implements [pgx.CopyFromSource].
func (s *watchedSource) Next() bool {
	s.taken = true
	return s.CopyFromSource.Next()
}
