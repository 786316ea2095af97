package pgxguard

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/errtree"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

// Database is what a [DB] calls: a *pgxpool.Pool or a *pgx.Conn.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
	CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error)
	Ping(ctx context.Context) error
}

// Outcome says what err means for the health of the database: the table of
// [sqlguard.Outcome], with pgx's own errors. A transaction that was closed, or
// whose commit became a rollback because a statement had failed, is the caller's.
func Outcome(err error) outcome.Outcome {
	return errtree.Worst(err, outcomeOf, outcome.Failure, outcome.Success, outcome.Ignored)
}

func outcomeOf(err error) outcome.Outcome {
	switch {
	case errors.Is(err, pgx.ErrTxClosed):
		return outcome.Ignored
	case errors.Is(err, pgx.ErrNoRows), errors.Is(err, pgx.ErrTooManyRows), errors.Is(err, pgx.ErrTxCommitRollback):
		return outcome.Success
	default:
		return sqlguard.Outcome(err)
	}
}

// DB runs the calls of a database through a guard. Make one with [New]; it holds
// no state of its own, and is as safe for concurrent use as the database.
//
// The guard's timeout bounds each call whole: with [DB.Query] until the rows are
// closed, with [DB.Begin] until the transaction ends. These, and those of
// [DB.SendBatch], may be forgotten and so are leases, see [guard.Config.Lease]: of a
// guard without a timeout, a call that takes longer than 30 s needs a longer one, of
// the guard or by [DB.With].
//
// Under a guard with [guard.Config.Retry], a call is made again of which [NotExecuted] says
// that it may be, and after any failure if it was described as idempotent:
//
//	rows, err := orders.With(guard.Call{Idempotent: true}).Query(ctx, "SELECT …")
//
// Of a transaction only its beginning is: what comes after it is its owner's to repeat, also
// after a conflict with another one. A query is made again until its first row has come, a
// copy until its first row was taken, and a batch never.
type DB struct {
	db      Database
	guard   *guard.Guard
	call    guard.Call
	outcome func(error) outcome.Outcome
}

// Option changes how a [DB] judges errors.
type Option func(*DB)

// WithOutcome replaces [Outcome] as the judge of errors. It must be safe for
// concurrent use.
func WithOutcome(fn func(error) outcome.Outcome) Option { return func(d *DB) { d.outcome = fn } }

// New returns db behind g. Closing db stays its owner's affair.
func New(db Database, g *guard.Guard, opts ...Option) *DB {
	d := &DB{db: db, guard: g, outcome: Outcome}
	for _, opt := range opts {
		opt(d)
	}
	return d
}

// With returns a DB whose calls are described so to the guard: the rate limit's key and
// cost, the priority, the operation's name, whether they may be made twice.
func (d *DB) With(call guard.Call) *DB {
	described := *d
	described.call = call
	return &described
}

// Do calls fn with the database as one guarded call, the general form. Under a guard with
// retries, fn as a whole is called again if the call is idempotent.
func (d *DB) Do(ctx context.Context, fn func(context.Context, Database) error) error {
	return d.run(ctx, d.call, func(ctx context.Context, db Database) (bool, error) { return false, fn(ctx, db) })
}

func (d *DB) settle(tok *guard.Token, err error) error {
	return sqlguard.Settle(tok, d.outcome, err)
}

// Exec is [pgx.Conn.Exec], guarded.
func (d *DB) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	var tag pgconn.CommandTag
	err := d.run(ctx, d.call, func(ctx context.Context, db Database) (safe bool, err error) {
		tag, err = db.Exec(ctx, sql, args...)
		return NotExecuted(err), err
	})
	return tag, err
}

// CopyFrom is [pgx.Conn.CopyFrom], guarded.
func (d *DB) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, src pgx.CopyFromSource) (int64, error) {
	var n int64
	watched := &watchedSource{CopyFromSource: src}
	err := d.run(ctx, d.transaction(), func(ctx context.Context, db Database) (safe bool, err error) {
		n, err = db.CopyFrom(ctx, table, columns, watched)
		return !watched.taken && NotExecuted(err), err
	})
	return n, err
}

// Ping is [pgx.Conn.Ping], guarded.
func (d *DB) Ping(ctx context.Context) error {
	return d.run(ctx, d.call, func(ctx context.Context, db Database) (bool, error) { return true, db.Ping(ctx) })
}

// InTx runs fn in a transaction as one guarded call: it commits if fn returns
// nil and rolls back if fn returns an error, panics or ends its goroutine.
func (d *DB) InTx(ctx context.Context, opts pgx.TxOptions, fn func(context.Context, pgx.Tx) error) error {
	return d.run(ctx, d.transaction(), func(ctx context.Context, db Database) (safe bool, err error) {
		safe = true
		err = pgx.BeginTxFunc(ctx, db, opts, func(tx pgx.Tx) error {
			safe = false
			return fn(ctx, tx)
		})
		return safe, err
	})
}

// Query is [pgx.Conn.Query], guarded. The call lasts until the rows have been read
// to their end or closed.
func (d *DB) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c, err := d.begin(ctx, d.call)
	if err != nil {
		return failedRows{err}, err // pgx.CollectRows is called without a look at the error
	}
	defer c.abandon()
	r := &guardedRows{call: c, ctx: ctx, sql: sql, args: args}
	rows, err := r.query()
	c.handedOver = true
	if err != nil {
		err = c.end(err)
		return failedRows{err}, err
	}
	r.Rows = rows
	return r, nil
}

// QueryRow is [pgx.Conn.QueryRow], guarded. The call lasts until Scan.
func (d *DB) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	rows, err := d.Query(ctx, sql, args...)
	return guardedRow{rows: rows, err: err}
}

// Begin is [pgx.Conn.Begin], guarded. The call lasts until Commit or Rollback.
func (d *DB) Begin(ctx context.Context) (pgx.Tx, error) { return d.BeginTx(ctx, pgx.TxOptions{}) }

// BeginTx is [pgx.Conn.BeginTx], guarded. The call lasts until Commit or
// Rollback; prefer [DB.InTx], which forgets neither. The worst of what the
// transaction's own Exec, Query and end meet decides the outcome.
func (d *DB) BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error) {
	c, err := d.begin(ctx, d.transaction())
	if err != nil {
		return nil, err
	}
	defer c.abandon()
	for {
		tx, err := d.db.BeginTx(c.token.Context(), opts)
		if err == nil {
			c.handedOver = true
			return &guardedTx{Tx: tx, call: c}, nil
		}
		again, last := sqlguard.Retry(ctx, c.token, d.outcome, true, err)
		if !again {
			c.handedOver = true
			return nil, c.end(last)
		}
	}
}

// SendBatch is [pgx.Conn.SendBatch], guarded. The call lasts until the results are
// closed.
func (d *DB) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	c, err := d.begin(ctx, d.transaction())
	if err != nil {
		return failedBatch{err}
	}
	defer c.abandon()
	results := d.db.SendBatch(c.token.Context(), b)
	c.handedOver = true
	return &guardedBatch{BatchResults: results, call: c}
}
