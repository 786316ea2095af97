package pgstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/internal/groupcommit"
	"github.com/elixirscope/foundation/fault"
)

// migrations lead from each version of the schema to the next. What was released is
// never changed, only followed by another step. A step must leave tables that programs
// of the version before can use while they are being replaced.
//
// history holds a record as JSON, so that what a later version adds to one needs no step.
// counters holds what would cost a scan to find, and the last seq also when its event
// was pruned: no place is given twice. Its row is the lock of all who write.
var migrations = [][]string{
	{
		`CREATE TABLE {schema}.events (
			seq bigint PRIMARY KEY,
			id uuid NOT NULL UNIQUE,
			time timestamptz NOT NULL,
			severity smallint NOT NULL,
			type text COLLATE "C" NOT NULL,
			component text COLLATE "C" NOT NULL,
			name text COLLATE "C" NOT NULL,
			node text COLLATE "C" NOT NULL,
			correlation text COLLATE "C",
			parent uuid,
			data text COLLATE "C"
		)`,
		`CREATE INDEX events_correlation ON {schema}.events (correlation, seq) WHERE correlation IS NOT NULL`,
		`CREATE INDEX events_time ON {schema}.events (time)`,
		`CREATE TABLE {schema}.counters (events bigint NOT NULL, bytes bigint NOT NULL, last_seq bigint NOT NULL)`,
		`INSERT INTO {schema}.counters VALUES (0, 0, 0)`,
	},
	{
		`CREATE TABLE {schema}.history (
			seq bigint PRIMARY KEY,
			revision bigint NOT NULL,
			outcome text COLLATE "C" NOT NULL,
			record text COLLATE "C" NOT NULL
		)`,
		`CREATE INDEX history_outcome ON {schema}.history (outcome, seq)`,
		`CREATE INDEX history_revision ON {schema}.history (revision)`,
	},
}

// schema is a schema of the database and the way to its newest version.
type schema struct {
	name  string
	steps [][]string
}

func newSchema(name string, steps [][]string) schema { return schema{name, steps} }

// sql puts the schema into a statement.
func (s schema) sql(text string) string {
	return strings.ReplaceAll(text, "{schema}", pgx.Identifier{s.name}.Sanitize())
}

// migrate brings the schema to the newest version. What is bounded by timeout is the
// question whether that is needed.
func (s schema) migrate(ctx context.Context, c *pgx.Conn, timeout time.Duration) error {
	current, err := s.current(ctx, c, timeout)
	if err != nil || current {
		return err
	}
	return transaction(ctx, c, func() error {
		if _, err := c.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", s.lock()); err != nil {
			return err
		}
		state, err := s.look(ctx, c) // another process may have done it meanwhile
		if err != nil {
			return err
		}
		if !state.schema {
			if _, err := c.Exec(ctx, s.sql("CREATE SCHEMA {schema}")); err != nil {
				return err
			}
		}
		return s.walk(ctx, c, state.version)
	})
}

func (s schema) current(ctx context.Context, c *pgx.Conn, timeout time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if encoding := c.PgConn().ParameterStatus("server_encoding"); encoding != "UTF8" {
		return false, groupcommit.NewFault(fault.InvalidConfig, fmt.Sprintf("the database has the encoding %s and must have UTF8: create another one", encoding), nil)
	}
	state, err := s.look(ctx, c)
	return state.version == len(s.steps), err
}

// lock is the number of the advisory lock.
func (s schema) lock() int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("github.com/elixirscope/foundation storage " + s.name)) // never fails
	return int64(h.Sum64())
}

// state is what is there.
type state struct {
	schema  bool
	version int // 0 where there are no tables
}

const lookText = `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
	EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = $1),
	EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = $1 AND relname = 'foundation_version')`

func (s schema) look(ctx context.Context, c *pgx.Conn) (found state, err error) {
	var used, ours bool
	if err := c.QueryRow(ctx, lookText, s.name).Scan(&found.schema, &used, &ours); err != nil {
		return found, err
	}
	switch {
	case used && !ours:
		return found, groupcommit.NewFault(fault.InvalidConfig, "the schema "+s.name+" holds tables of another program: choose another schema", nil)
	case ours:
		err = c.QueryRow(ctx, s.sql("SELECT version FROM {schema}.foundation_version")).Scan(&found.version)
	}
	if err == nil && found.version > len(s.steps) {
		err = groupcommit.NewFault(fault.InvalidConfig, fmt.Sprintf(
			"the schema %s has version %d and this program knows no later one than %d: run the newer program, or choose another schema",
			s.name, found.version, len(s.steps)), nil)
	}
	return found, err
}

func (s schema) walk(ctx context.Context, c *pgx.Conn, version int) error {
	var statements []string
	if version == 0 {
		statements = []string{"CREATE TABLE {schema}.foundation_version (version integer NOT NULL)", "INSERT INTO {schema}.foundation_version VALUES (0)"}
	}
	for _, step := range s.steps[version:] {
		statements = append(statements, step...)
	}
	statements = append(statements, fmt.Sprintf("UPDATE {schema}.foundation_version SET version = %d", len(s.steps)))
	for _, text := range statements {
		if _, err := c.Exec(ctx, s.sql(text), pgx.QueryExecModeExec); err != nil {
			return fmt.Errorf("migrate from version %d to %d: %w", version, len(s.steps), err)
		}
	}
	return nil
}

// beginText says what defaults of a role might change.
const beginText = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

// transaction runs f between BEGIN and COMMIT. After an error the connection must be
// closed, which rolls back.
func transaction(ctx context.Context, c *pgx.Conn, f func() error) error {
	if _, err := c.Exec(ctx, beginText); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	_, err := c.Exec(ctx, "COMMIT")
	return err
}
