// Package sqlworker is the "sql" kind of worker: one connection to any database
// that has a database/sql driver, pinned as a *sql.Conn.
//
// # Usage
//
//	import _ "modernc.org/sqlite" // the driver of your choice
//
//	pools:
//	  orders: { worker: sql, options: { driver: sqlite, dsn: "file:orders.db" } }
//
// The pool bounds, checks and replaces the connections; database/sql itself keeps
// none of them idle. Use it where a guard should own a connection for the length
// of a call. Where a *sql.DB exists already, guard that instead of pooling twice.
//
// # Reset
//
// A connection that comes back is reset by its driver (driver.SessionResetter),
// asked whether it is still valid (driver.Validator), and, if the option reset is
// set, given that statement. One that fails is closed and replaced. Roll back what
// you began: not every driver notices an open transaction.
//
// database/sql cannot close a connection under a call, a transaction or a result
// that has not ended. One that is abandoned over such a thing gives up its place in
// the pool after a second, and ends when that ends: defer Rollback and Close.
package sqlworker

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/internal/shared"
)

// Options are the options of the kind. Driver and DSN are required.
type Options struct {
	// Driver is the name under which the driver registered itself.
	Driver string `yaml:"driver" config:"local"`
	// DSN says how to reach the database, in the form of the driver. It may hold
	// secrets and appears in no error of this package.
	DSN string `yaml:"dsn" config:"secret,local"`
	// SkipPing takes a connection for fit without asking the database; false pings.
	SkipPing bool `yaml:"skip_ping"`
	// Reset is a statement for every connection that comes back, such as "ROLLBACK" or
	// "DISCARD ALL"; empty means none.
	Reset string `yaml:"reset" config:"local"`
}

// Validate returns every fault of o as one [fault.InvalidConfig], or nil.
func (o Options) Validate() error {
	var ps fault.Problems
	known := sql.Drivers()
	ps.Require(o.Driver != "", "options.driver", "", "is required; registered are: %s", strings.Join(known, ", "))
	if o.Driver != "" {
		ps.Require(slices.Contains(known, o.Driver), "options.driver", o.Driver,
			"is not registered; import its package. Registered are: %s", strings.Join(known, ", "))
	}
	ps.Require(o.DSN != "", "options.dsn", "", "is required")
	return ps.Err("connection_pool", "")
}

// Kind returns the kind, for foundation.Options.Kinds.
func Kind() pool.Kind { return pool.KindOf(New) }

// New returns a factory of connections as o says.
func New(o Options) (pool.Factory[*sql.Conn], error) {
	if err := o.Validate(); err != nil {
		return pool.Factory[*sql.Conn]{}, err
	}
	f := &factory{options: o}
	f.db = shared.New(f.open, func(db *sql.DB) { _ = db.Close() })
	functions := pool.Factory[*sql.Conn]{New: f.make, Reset: f.reset, Close: f.end}
	if !o.SkipPing {
		functions.Check = ping
	}
	return functions, nil
}

type factory struct {
	options Options
	db      *shared.Resource[*sql.DB]
}

// open opens the handle that the connections come from. It keeps no connection
// idle: one that the pool closes has to be gone.
func (f *factory) open() (*sql.DB, error) {
	db, err := sql.Open(f.options.Driver, f.options.DSN)
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(-1)
	return db, nil
}

func (f *factory) make(ctx context.Context) (*sql.Conn, error) {
	db, err := f.db.Take()
	if err != nil {
		return nil, err
	}
	c, err := f.connect(ctx, db)
	if err != nil {
		f.db.Drop()
	}
	return c, err
}

func (f *factory) connect(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if f.options.SkipPing {
		return c, nil
	}
	if err := ping(ctx, c); err != nil { // some drivers connect when they are first used
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func ping(ctx context.Context, c *sql.Conn) error { return c.PingContext(ctx) }

// reset does for a pinned connection what database/sql does for those that it
// pools itself.
func (f *factory) reset(ctx context.Context, c *sql.Conn) error {
	err := c.Raw(func(raw any) error {
		if r, ok := raw.(driver.SessionResetter); ok {
			if err := r.ResetSession(ctx); err != nil {
				return err
			}
		}
		if v, ok := raw.(driver.Validator); ok && !v.IsValid() {
			return driver.ErrBadConn
		}
		return nil
	})
	if err != nil || f.options.Reset == "" {
		return err
	}
	_, err = c.ExecContext(ctx, f.options.Reset)
	return err
}

// patience is how long the end of a connection may keep its place in the pool.
const patience = time.Second

// end waits no longer than patience: database/sql closes a connection only after
// the calls, transactions and results on it, and some end with their borrower's
// goroutine, or never.
func (f *factory) end(c *sql.Conn) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = c.Close() // the connection is given up either way
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C:
	}
	f.db.Drop()
}
