package sqlguard

import (
	"context"
	"database/sql"
	"errors"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// DB runs the calls of a *sql.DB through a guard. Make one with [New]; it holds
// no state of its own, so it may be made as often as is handy. It is safe for
// concurrent use.
//
// The guard's timeout bounds each call whole: with [DB.Query] until the rows are
// closed, with [DB.BeginTx] until the transaction ends. These two may be forgotten
// and so are leases, see [guard.Config.Lease]: of a guard without a timeout, a call
// that takes longer than 30 s needs a longer one, of the guard or by [DB.With].
//
// Under a guard with [guard.Config.Retry], a call is made again of which [NotExecuted] says
// that it may be, and after any failure if it was described as idempotent:
//
//	rows, err := orders.With(guard.Call{Idempotent: true}).Query(ctx, "SELECT …")
//
// Of a transaction only its beginning is: what comes after it is its owner's to repeat, also
// after a conflict with another one. A query is made again until it has rows.
type DB struct {
	db          *sql.DB
	guard       *guard.Guard
	call        guard.Call
	outcome     func(error) outcome.Outcome
	notExecuted func(error) bool
}

// Option changes how a [DB] judges errors.
type Option func(*DB)

// WithOutcome replaces [Outcome], which nil stands for, as the judge of errors. It must
// be safe for concurrent use.
func WithOutcome(fn func(error) outcome.Outcome) Option { return func(d *DB) { d.outcome = fn } }

// New returns db behind g. Closing db stays its owner's affair.
func New(db *sql.DB, g *guard.Guard, opts ...Option) *DB {
	d := &DB{db: db, guard: g}
	for _, opt := range opts {
		if opt != nil {
			opt(d)
		}
	}
	if d.outcome == nil {
		d.outcome = Outcome
	}
	if d.notExecuted == nil {
		d.notExecuted = NotExecuted
	}
	return d
}

// With returns a DB whose calls are described so to the guard: the rate limit's
// key and cost, the priority, the operation's name, whether they may be made twice.
func (d *DB) With(call guard.Call) *DB {
	described := *d
	described.call = call
	return &described
}

// Unwrap returns the database, for calls that no guard should see.
func (d *DB) Unwrap() *sql.DB { return d.db }

// Do calls fn with the database as one guarded call. Whatever fn asks of db
// should use the context that it gets. It is the general form: take one of the
// other methods where one fits. Under a guard with retries, fn as a whole is called again if
// the call is idempotent.
func (d *DB) Do(ctx context.Context, fn func(context.Context, *sql.DB) error) error {
	return d.run(ctx, d.call, func(ctx context.Context, db *sql.DB) (bool, error) { return false, fn(ctx, db) })
}

func (d *DB) settle(tok *guard.Token, err error) error { return Settle(tok, d.outcome, err) }

// Settle ends the call of tok by err and returns the error for the caller: err
// itself, or a [fault.CallTimeout] around it if a guard's time limit ended the
// call. It is for adapters of other database packages.
//
// Where the call's context is done, the guard judges, which knows whose deadline
// it was; drivers have a dozen ways to say that a query was interrupted. So it does
// for an error that was marked with [guard.Neutral]. Else classify does.
func Settle(tok *guard.Token, classify func(error) outcome.Outcome, err error) error {
	if guard.IsNeutral(err) {
		tok.Done(err)
		return err
	}
	ctx := tok.Context()
	if err == nil || ctx.Err() == nil {
		tok.Settle(classify(err), err)
		tok.Close()
		return err
	}
	cause := context.Cause(ctx) // before Done, which ends the context
	why := &interrupted{ctx.Err(), err}
	tok.Done(why)
	if limit, ok := errors.AsType[*fault.Error](cause); ok && limit.Code() == fault.CallTimeout {
		return fault.New(fault.Spec{
			Code: fault.CallTimeout, Component: limit.Component(), Name: limit.Name(), Evidence: limit.Evidence(), Cause: why,
		})
	}
	return err
}

// interrupted is a driver's error and the reason that the driver may not name. It
// reads as the driver's.
type interrupted struct{ reason, err error }

// Error implements error.
func (i *interrupted) Error() string { return i.err.Error() }

// Unwrap returns both.
func (i *interrupted) Unwrap() []error { return []error{i.reason, i.err} }

// Exec is [sql.DB.ExecContext], guarded.
func (d *DB) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	var result sql.Result
	err := d.statement(ctx, func(ctx context.Context, db *sql.DB) (err error) {
		result, err = db.ExecContext(ctx, query, args...)
		return err
	})
	return result, err
}

// Ping is [sql.DB.PingContext], guarded.
func (d *DB) Ping(ctx context.Context) error {
	return d.run(ctx, d.call, func(ctx context.Context, db *sql.DB) (bool, error) { return true, db.PingContext(ctx) })
}

// Query is [sql.DB.QueryContext], guarded. The call lasts until the rows have
// been read to their end or closed; a row that cannot be fetched decides its
// outcome as the query itself would.
func (d *DB) Query(ctx context.Context, query string, args ...any) (*Rows, error) {
	tok, err := d.guard.Enter(ctx, d.call)
	if err != nil {
		return nil, err
	}
	r := &Rows{db: d, token: tok}
	defer r.abandon()
	for {
		rows, err := d.db.QueryContext(tok.Context(), query, args...)
		if err == nil {
			r.Rows, r.handedOver = rows, true
			return r, nil
		}
		again, last := Retry(ctx, tok, d.outcome, d.notExecuted(err), err)
		if !again {
			return nil, d.settle(tok, last)
		}
	}
}

// QueryRow is [sql.DB.QueryRowContext], guarded. The call lasts until Scan: call
// it, as with database/sql.
func (d *DB) QueryRow(ctx context.Context, query string, args ...any) *Row {
	rows, err := d.Query(ctx, query, args...)
	return &Row{rows: rows, err: err}
}

// BeginTx is [sql.DB.BeginTx], guarded. The call lasts until Commit or Rollback;
// prefer [DB.InTx], which forgets neither.
func (d *DB) BeginTx(ctx context.Context, opts *sql.TxOptions) (*Tx, error) {
	tok, err := d.guard.Enter(ctx, d.transaction())
	if err != nil {
		return nil, err
	}
	t := &Tx{db: d, token: tok}
	defer t.abandon()
	for {
		t.Tx, err = d.db.BeginTx(tok.Context(), opts)
		if err == nil {
			t.handedOver = true
			return t, nil
		}
		again, last := Retry(ctx, tok, d.outcome, true, err)
		if !again {
			return nil, d.settle(tok, last)
		}
	}
}

// InTx runs fn in a transaction as one guarded call: it commits if fn returns
// nil and rolls back if fn returns an error, panics or ends its goroutine.
func (d *DB) InTx(ctx context.Context, opts *sql.TxOptions, fn func(context.Context, *sql.Tx) error) error {
	return d.run(ctx, d.transaction(), func(ctx context.Context, db *sql.DB) (safe bool, err error) {
		tx, err := db.BeginTx(ctx, opts)
		if err != nil {
			return true, err
		}
		defer func() { _ = tx.Rollback() }() // sql.ErrTxDone after a commit
		if err := fn(ctx, tx); err != nil {
			return false, err
		}
		return false, tx.Commit()
	})
}
