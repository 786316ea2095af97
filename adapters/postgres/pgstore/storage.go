package pgstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/adapters/internal/pgdsn"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// Options say how the database is used. The zero value is ready for use.
type Options struct {
	// Schema holds the tables, and is created if it is missing. Layers that name
	// different schemas share a database without meeting; those that name the same one
	// share their records. Empty means foundation.
	Schema string
	// Readers is the greatest number of queries that run at once, each on a connection
	// of its own; 0 means 4. One more connection writes.
	Readers int
	// Timeout bounds connecting, and each exchange of a write with the server; 0 means
	// 10 s. Queries are bounded by their context.
	Timeout time.Duration
}

const (
	defaultSchema  = "foundation"
	defaultReaders = 4
	defaultTimeout = 10 * time.Second
)

// Storage is one schema of a database. It is safe for concurrent use.
type Storage struct {
	schema  schema
	writer  *writer
	readers *readers

	closing sync.Once
}

var validSchema = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Open connects to the server that dsn names, and creates or migrates the tables. As for
// the workers of package postgres, dsn alone counts: nothing of the environment or of
// the files of the user adds to it. ctx ends it; a migration is bounded by nothing else.
//
// The faults: invalid_config if dsn or an option is invalid, the database does not exist
// or has another encoding than UTF8, or the schema is of a newer version or of another
// program; forbidden if the role may not use it; unavailable if the server cannot be
// reached. No fault holds dsn or a password.
func Open(ctx context.Context, dsn string, o Options) (*Storage, error) {
	return open(ctx, dsn, o, migrations)
}

func open(ctx context.Context, dsn string, o Options, steps [][]string) (*Storage, error) {
	conn, err := o.complete(dsn)
	if err != nil {
		return nil, err
	}
	s := &Storage{schema: newSchema(o.Schema, steps)}
	if err := s.start(ctx, connector{conn, o.Timeout}, o.Readers); err != nil {
		if gone := groupcommit.Canceled(ctx); gone != nil {
			err = gone
		}
		return nil, translated(fmt.Errorf("open the storage in schema %s: %w", o.Schema, err))
	}
	return s, nil
}

// complete fills in the defaults and returns how to connect.
func (o *Options) complete(dsn string) (*pgx.ConnConfig, error) {
	var ps fault.Problems
	conn, err := pgdsn.Parse(dsn)
	if err != nil {
		ps.Add("dsn", "", "%v", err)
	}
	if o.Schema == "" {
		o.Schema = defaultSchema
	}
	ps.Require(validSchema.MatchString(o.Schema), "schema", o.Schema, "must have 1 to 63 of a-z, 0-9 and _, and not begin with a digit")
	ps.Require(o.Readers >= 0, "readers", o.Readers, "must not be negative")
	if o.Readers == 0 {
		o.Readers = defaultReaders
	}
	ps.Require(o.Timeout >= 0, "timeout", o.Timeout, "must not be negative")
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if err := ps.Err(groupcommit.Component, ""); err != nil {
		return nil, err
	}
	prepare(conn)
	return conn, nil
}

func (s *Storage) start(ctx context.Context, c connector, readers int) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	if err := s.schema.migrate(ctx, conn, c.timeout); err != nil {
		disconnect(conn)
		return err
	}
	s.writer, s.readers = startWriter(c, conn, newStatements(s.schema)), newReaders(c, readers)
	return nil
}

// Events returns a store of the events in the schema. Closing it leaves the storage
// open. Other processes may append to the same schema: a [eventstore.Feed] of it needs
// an interval to look at.
func (s *Storage) Events() eventstore.Store { return &events{storage: s} }

// History returns the history of configurations in the schema. Closing it leaves the
// storage open.
func (s *Storage) History() config.History { return &history{storage: s} }

// Close stores what waits, for as long as Options.Timeout, and ends queries that run.
// Closing again does nothing.
func (s *Storage) Close() error {
	s.closing.Do(func() {
		s.writer.stop()
		s.readers.close()
	})
	return nil
}

// read runs f, which may run twice, on a connection of its own.
func (s *Storage) read(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	err := s.readers.do(ctx, f)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil: // a query that ends because of it may name another reason
		return groupcommit.Canceled(ctx)
	case errors.Is(err, errEnded):
		return groupcommit.Closed()
	default:
		return translated(err)
	}
}
