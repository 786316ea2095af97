package sqlguard

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errtree"
	"github.com/elixirscope/foundation/outcome"
)

// NotExecuted reports whether err, of a method of [sql.DB], says that the database has not
// executed anything: no connection could be made ([net.OpError] of a dial), none was found that
// works ([driver.ErrBadConn], after the attempts that database/sql makes itself), or the driver
// says so by a method SafeToRetry() bool, as pgx does. For a driver that says it in other
// words give [WithNotExecuted] a function that knows them and falls back to this one.
//
// An SQLSTATE says nothing about it: also a statement that is being executed may fail for a
// connection, which a foreign table needs.
func NotExecuted(err error) bool { return err != nil && errtree.All(err, notExecuted) }

func notExecuted(err error) bool {
	if says, ok := errors.AsType[interface {
		error
		SafeToRetry() bool
	}](err); ok {
		return says.SafeToRetry()
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok {
		return dial.Op == "dial"
	}
	return errors.Is(err, driver.ErrBadConn)
}

// WithNotExecuted replaces [NotExecuted], which nil stands for, as the judge of which calls may
// be made again although they are not idempotent. It must be safe for concurrent use.
func WithNotExecuted(fn func(error) bool) Option { return func(d *DB) { d.notExecuted = fn } }

// run makes a guarded call, in one attempt or several. fn reports beside its error whether
// it is safe to call it again although the call is not idempotent.
func (d *DB) run(ctx context.Context, call guard.Call, fn func(context.Context, *sql.DB) (safe bool, err error)) error {
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
		again, last := Retry(ctx, tok, d.outcome, safe, err)
		if !again {
			return d.settle(tok, last)
		}
	}
}

// statement makes a call of one statement.
func (d *DB) statement(ctx context.Context, fn func(context.Context, *sql.DB) error) error {
	return d.run(ctx, d.call, func(ctx context.Context, db *sql.DB) (bool, error) {
		err := fn(ctx, db)
		return d.notExecuted(err), err
	})
}

// transaction is how a transaction is described: no part of it is made twice, also if the
// calls of d are idempotent.
func (d *DB) transaction() guard.Call {
	call := d.call
	call.Idempotent = false
	return call
}

// Retry asks the guard for another attempt at the call of tok, which ctx was entered with, after
// one that returned err: if the call is idempotent, or if it is safe because nothing was
// executed. It returns the error to end the call with, by [Settle], if there is none. It blocks
// for the wait between the attempts. It is for adapters of other database packages.
func Retry(ctx context.Context, tok *guard.Token, classify func(error) outcome.Outcome, safe bool, err error) (again bool, last error) {
	if err == nil || ctx.Err() != nil || guard.IsNeutral(err) {
		return false, err
	}
	how := outcome.Failure
	if !errors.Is(context.Cause(tok.Context()), fault.CallTimeout) {
		how = classify(err)
	}
	if safe {
		return tok.RetrySafe(ctx, how, err)
	}
	return tok.Retry(ctx, how, err)
}
