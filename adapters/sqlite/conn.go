package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	sqlite "modernc.org/sqlite"
)

// conn is one connection that its owner uses from one goroutine at a time. Writing
// through database/sql costs a lock and several allocations for each statement.
type conn struct {
	raw    driver.Conn
	cached map[string]driver.Stmt // by text
	args   []driver.NamedValue
}

// openConn opens the database file, which exists, and runs the pragmas.
func openConn(path string, pragmas ...string) (*conn, error) {
	raw, err := openRaw(path, pragmas...)
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, cached: map[string]driver.Stmt{}}, nil
}

// openRaw never creates the file: one that was deleted must be noticed.
func openRaw(path string, pragmas ...string) (driver.Conn, error) {
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw"}
	raw, err := (&sqlite.Driver{}).Open(dsn.String())
	if err != nil {
		return nil, err
	}
	for _, p := range pragmas {
		if err := run(raw, "PRAGMA "+p); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", p, err), raw.Close())
		}
	}
	return raw, nil
}

func run(raw driver.Conn, query string) error {
	execer, ok := raw.(driver.ExecerContext)
	if !ok {
		return errors.New("the driver of SQLite cannot execute")
	}
	_, err := execer.ExecContext(context.Background(), query, nil)
	return err
}

// prepared returns the statement of a text. The texts are few: they are kept.
func (c *conn) prepared(query string) (driver.Stmt, error) {
	if s, ok := c.cached[query]; ok {
		return s, nil
	}
	s, err := c.raw.Prepare(query)
	if err == nil {
		c.cached[query] = s
	}
	return s, err
}

// exec runs a statement and returns how many rows it changed.
func (c *conn) exec(query string, args ...any) (int, error) {
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return c.execNamed(query, c.args)
}

func (c *conn) execNamed(query string, args []driver.NamedValue) (int, error) {
	s, err := c.prepared(query)
	if err != nil {
		return 0, err
	}
	execer, ok := s.(driver.StmtExecContext)
	if !ok {
		return 0, errors.New("the driver of SQLite cannot execute")
	}
	result, err := execer.ExecContext(context.Background(), args)
	if err != nil {
		return 0, err
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// row returns the first row of a query as integers, or nil if there is none.
func (c *conn) row(query string, args ...any) (out []int64, err error) {
	s, err := c.prepared(query)
	if err != nil {
		return nil, err
	}
	querier, ok := s.(driver.StmtQueryContext)
	if !ok {
		return nil, errors.New("the driver of SQLite cannot query")
	}
	c.args = c.args[:0]
	for i, a := range args {
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	rows, err := querier.QueryContext(context.Background(), c.args)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	switch err := rows.Next(values); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	for _, v := range values {
		n, ok := v.(int64)
		if !ok {
			return nil, fmt.Errorf("%s answered %T, want an integer", query, v)
		}
		out = append(out, n)
	}
	return out, nil
}

// tx runs f in a transaction of its own.
func (c *conn) tx(f func() error) error {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		_, err = c.exec("COMMIT")
	}
	if err != nil {
		c.rollback()
	}
	return err
}

// rollback ends a transaction that failed. After some errors SQLite has ended it
// itself, and says then that there is none.
func (c *conn) rollback() { _, _ = c.exec("ROLLBACK") }

func (c *conn) close() error {
	var errs []error
	for _, s := range c.cached {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.raw.Close())...)
}

// connector gives database/sql, which pools the connections of readers, what openRaw
// opens.
type connector struct {
	path    string
	pragmas []string
}

// Connect implements [driver.Connector].
func (c *connector) Connect(context.Context) (driver.Conn, error) {
	return openRaw(c.path, c.pragmas...)
}

// Driver implements [driver.Connector].
func (c *connector) Driver() driver.Driver { return &sqlite.Driver{} }

func openReaders(path string, most int) *sql.DB {
	db := sql.OpenDB(&connector{path, []string{"busy_timeout=5000", "query_only=ON", "cache_size=-4000", "temp_store=MEMORY"}})
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db
}
