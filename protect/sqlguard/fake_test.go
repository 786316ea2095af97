package sqlguard_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeDB is a driver whose queries say what shall happen.
type fakeDB struct {
	refuseDials atomic.Bool
	opened      atomic.Int32
	closed      atomic.Int32

	told                       // what "told" meets
	runs          atomic.Int32 // of "told"
	begins, pings told
}

// told is a list of errors that are met in turn.
type told struct {
	mu   sync.Mutex
	errs []error
}

func (m *told) meets(errs ...error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.errs = errs
}

func (m *told) next() (err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.errs) > 0 {
		err, m.errs = m.errs[0], m.errs[1:]
	}
	return err
}

var errNoRoute = errors.New("no route to host")

func (f *fakeDB) Connect(context.Context) (driver.Conn, error) {
	if f.refuseDials.Load() {
		return nil, errNoRoute
	}
	f.opened.Add(1)
	return &fakeConn{f}, nil
}
func (f *fakeDB) Driver() driver.Driver { return nil }

type fakeConn struct{ db *fakeDB }

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *fakeConn) Close() error                        { c.db.closed.Add(1); return nil }
func (c *fakeConn) Begin() (driver.Tx, error)           { return fakeTx{}, nil }
func (c *fakeConn) Ping(context.Context) error          { return c.db.pings.next() }
func (c *fakeConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) {
	if err := c.db.begins.next(); err != nil {
		return nil, err
	}
	return fakeTx{}, nil
}
func (c *fakeConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (c *fakeConn) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.db.perform(ctx, query)
}

func (c *fakeConn) QueryContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := c.db.perform(ctx, query); err != nil {
		return nil, err
	}
	return &fakeRows{query: query, left: map[string]int{"none": 0, "breaks": 1}[query] + map[bool]int{query == "three": 3}[true]}, nil
}

type fakeTx struct{}

func (fakeTx) Commit() error   { return nil }
func (fakeTx) Rollback() error { return nil }

// stateError is an error as pgx and lib/pq make them.
type stateError string

func (e stateError) Error() string    { return "SQLSTATE " + string(e) }
func (e stateError) SQLState() string { return string(e) }

func (f *fakeDB) perform(ctx context.Context, query string) error {
	switch query {
	case "told":
		f.runs.Add(1)
		return f.next()
	case "unique":
		return stateError("23505")
	case "shutdown":
		return stateError("57P01")
	case "slow":
		<-ctx.Done()
		return stateError("57014") // as PostgreSQL names a canceled query
	case "panic":
		panic("the driver has a bug")
	default:
		return nil
	}
}

type fakeRows struct {
	query string
	left  int
}

func (r *fakeRows) Columns() []string { return []string{"n"} }
func (r *fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.left == 0 && r.query == "breaks" {
		return io.ErrUnexpectedEOF
	}
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = int64(r.left)
	return nil
}

type fixture struct {
	fake    *fakeDB
	sql     *sql.DB
	breaker *breaker.Breaker
	guard   *guard.Guard
	db      *sqlguard.DB
}

func newFixture(t *testing.T, timeout time.Duration, opts ...sqlguard.Option) *fixture {
	t.Helper()
	f := &fixture{fake: &fakeDB{}}
	f.sql = sql.OpenDB(f.fake)
	t.Cleanup(func() { f.sql.Close() })
	var err error
	f.breaker, err = breaker.New("orders", breaker.Config{FailureThreshold: 1, Window: time.Minute, Cooldown: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	f.guard, err = guard.New("orders", guard.Config{Breaker: f.breaker, Concurrency: 1, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	f.db = sqlguard.New(f.sql, f.guard, opts...)
	return f
}

// free reports whether no call is in flight. Places are given out before the
// breaker is asked, so a refusal by an open breaker says that there is one.
func (f *fixture) free() bool {
	tok, err := f.guard.Enter(context.Background(), guard.Call{})
	if err != nil {
		return !errors.Is(err, fault.ConcurrencyLimited)
	}
	tok.Settle(outcome.Ignored, nil)
	tok.Close()
	return true
}

func (f *fixture) open() bool { return f.breaker.State() == breaker.StateOpen }
