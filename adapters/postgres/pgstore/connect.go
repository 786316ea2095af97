package pgstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elixirscope/foundation/fault"
)

// prepare makes the settings of connections those that the statements rely on.
func prepare(c *pgx.ConnConfig) {
	// Statements are planned for their arguments each time, and none stays in the session:
	// the server may stand behind a pooler.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	c.RuntimeParams["client_encoding"] = "UTF8"
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "foundation"
	}
}

// connector opens connections.
type connector struct {
	config  *pgx.ConnConfig
	timeout time.Duration
}

func (c connector) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return pgx.ConnectConfig(ctx, c.config.Copy())
}

// farewell bounds the orderly end of a connection whose server does not answer.
const farewell = time.Second

func disconnect(c *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = c.Close(ctx) // the connection is given up either way
}

// lost reports that an error says no more than that the connection has ended, as when
// the server was restarted since the connection was used last.
func lost(err error) bool {
	if e, is := errors.AsType[*pgconn.PgError](err); is {
		return strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") // operator intervention, connection exception
	}
	_, known := errors.AsType[*fault.Error](err)
	return err != nil && !known && !timedOut(err)
}

func timedOut(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// errEnded is why queries end when the storage is closed.
var errEnded = errors.New("the storage was closed")

// readers lends the connections of queries. A place holds the connection that its last
// user left, or nil.
type readers struct {
	connector

	places chan *pgx.Conn
	life   context.Context //nolint:containedctx // ended by close
	end    context.CancelCauseFunc
}

func newReaders(c connector, n int) *readers {
	r := &readers{connector: c, places: make(chan *pgx.Conn, n)}
	r.life, r.end = context.WithCancelCause(context.Background())
	for range n {
		r.places <- nil
	}
	return r
}

// do runs f on a connection, until ctx ends or the readers are closed. If the connection
// was opened before and has been lost since, f runs again on a new one.
func (r *readers) do(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	detach := context.AfterFunc(r.life, func() { cancel(errEnded) })
	defer detach()
	var c *pgx.Conn
	select {
	case c = <-r.places:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { r.places <- c }()
	for {
		reused := c != nil
		err := r.try(ctx, &c, f)
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !reused || !lost(err) {
			return err
		}
	}
}

// try connects where c is nil, runs f, and leaves nil if the connection cannot be used
// any more.
func (r *readers) try(ctx context.Context, c **pgx.Conn, f func(context.Context, *pgx.Conn) error) (err error) {
	if *c == nil {
		if *c, err = r.connect(ctx); err != nil {
			*c = nil
			return err
		}
	}
	if err = ownFault(*c, f(ctx, *c)); err != nil {
		disconnect(*c)
		*c = nil
	}
	return err
}

// close ends the queries that run and waits for them.
func (r *readers) close() {
	r.end(errEnded)
	for range cap(r.places) {
		if c := <-r.places; c != nil {
			disconnect(c)
		}
	}
}
