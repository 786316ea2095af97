package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/internal/pgdsn"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// Reset says how a connection is cleaned when it comes back.
type Reset string

// The ways to reset. The zero value is [ResetSession].
const (
	// ResetSession rolls back an open transaction and clears what a borrower may have
	// left in the session: settings, temporary tables, cursors, listens, locks. It
	// costs one round trip. Prepared statements stay, so that pgx's cache stays right.
	ResetSession Reset = "session"
	// ResetTransaction rolls back an open transaction; it costs nothing without one.
	ResetTransaction Reset = "transaction"
	// ResetNone trusts the borrowers.
	ResetNone Reset = "none"
)

// clearSession is DISCARD ALL without DEALLOCATE ALL, which pgx's statement cache
// would not learn of.
const clearSession = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; " +
	"SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES"

// farewell bounds the orderly end of a connection whose server does not answer.
const farewell = time.Second

// Options are the options of the kind.
type Options struct {
	// DSN says how to reach the server, as a URL or as key=value pairs; required. It alone counts: no variable such as PGPASSWORD, no ~/.pgpass, no service file and no account of the system adds to it.
	DSN string `yaml:"dsn" config:"secret,local"`
	// Reset is session (the default), transaction or none.
	Reset Reset `yaml:"reset"`
	// SkipPing takes an open connection for fit without asking the server; false pings.
	SkipPing bool `yaml:"skip_ping"`
}

// Validate returns every fault of o as one [fault.InvalidConfig], or nil.
func (o Options) Validate() error {
	var ps fault.Problems
	switch o.Reset {
	case "", ResetSession, ResetTransaction, ResetNone:
	default:
		ps.Add("options.reset", o.Reset, "use %s, %s or %s", ResetSession, ResetTransaction, ResetNone)
	}
	if o.DSN == "" {
		ps.Add("options.dsn", "", "is required, as in postgres://user@host/database")
	} else if _, err := pgdsn.Parse(o.DSN); err != nil {
		ps.Add("options.dsn", "", "%v", err)
	}
	return ps.Err("connection_pool", "")
}

// Kind returns the kind, for foundation.Options.Kinds.
func Kind() pool.Kind { return pool.KindOf(New) }

// New returns a factory of connections as o says.
func New(o Options) (pool.Factory[*pgx.Conn], error) {
	if err := o.Validate(); err != nil {
		return pool.Factory[*pgx.Conn]{}, err
	}
	config, err := pgdsn.Parse(o.DSN)
	if err != nil {
		return pool.Factory[*pgx.Conn]{}, fmt.Errorf("parse the DSN: %w", err)
	}
	f := factory{o, config}
	return pool.Factory[*pgx.Conn]{New: f.connect, Check: f.check, Reset: f.reset, Close: disconnect}, nil
}

type factory struct {
	options Options
	config  *pgx.ConnConfig
}

func (f factory) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, f.config.Copy())
}

var (
	errClosed = errors.New("the connection is closed")
	errBusy   = errors.New("the connection came back with a result that was not read to its end")
)

func (f factory) check(ctx context.Context, c *pgx.Conn) error {
	if c.IsClosed() {
		return errClosed
	}
	if f.options.SkipPing {
		return nil
	}
	return c.Ping(ctx)
}

func (f factory) reset(ctx context.Context, c *pgx.Conn) error {
	if c.IsClosed() {
		return errClosed
	}
	if f.options.Reset == ResetNone {
		return nil
	}
	if err := rollback(ctx, c); err != nil || f.options.Reset == ResetTransaction {
		return err
	}
	_, err := c.PgConn().Exec(ctx, clearSession).ReadAll()
	return err
}

// The transaction states of the wire protocol.
const idle = 'I'

func rollback(ctx context.Context, c *pgx.Conn) error {
	if c.PgConn().IsBusy() {
		return errBusy
	}
	if c.PgConn().TxStatus() == idle {
		return nil
	}
	_, err := c.Exec(ctx, "ROLLBACK")
	return err
}

func disconnect(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = c.Close(ctx) // the connection is given up either way
}
