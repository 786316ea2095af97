package sqlpool_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/sqlworker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

func open(t *testing.T, o sqlworker.Options, cfg pool.Config) *pool.Pool[*sql.Conn] {
	t.Helper()
	m, err := sqlworker.Kind().Open(t.Context(), "orders", cfg, &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(background); err != nil {
			t.Error(err)
		}
	})
	p, ok := m.(*pool.Pool[*sql.Conn])
	if !ok {
		t.Fatalf("%T", m)
	}
	return p
}

func file(t *testing.T) string {
	return "file:" + filepath.Join(t.TempDir(), "orders.db") + "?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)"
}

func exec(query string, args ...any) func(context.Context, *sql.Conn) error {
	return func(ctx context.Context, c *sql.Conn) error { _, err := c.ExecContext(ctx, query, args...); return err }
}

func TestWorkersShareOneDatabase(t *testing.T) {
	p := open(t, sqlworker.Options{Driver: "sqlite", DSN: file(t)}, pool.Config{Size: 4})
	if err := p.With(background, exec("create table orders (id integer)")); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := p.With(background, exec("insert into orders values (?)", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var rows int
	err := p.With(background, func(ctx context.Context, c *sql.Conn) error {
		return c.QueryRowContext(ctx, "select count(*) from orders").Scan(&rows)
	})
	if st := p.Stats(); err != nil || rows != 20 || st.Created > 4 || st.InUse != 0 {
		t.Errorf("%d rows, %v, %+v", rows, err, st)
	}
}

func TestAWorkerIsOneConnectionWhoseSessionIsReset(t *testing.T) {
	p := open(t, sqlworker.Options{Driver: "sqlite", DSN: file(t), Reset: "drop table if exists temp.mine"}, pool.Config{Size: 1})
	for range 2 { // the second would fail if the first one's table were still there
		if err := p.With(background, exec("create temp table mine (x)")); err != nil {
			t.Fatal(err)
		}
	}
	if st := p.Stats(); st.Created != 1 || st.Destroyed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAFailedResetReplacesTheConnection(t *testing.T) {
	p := open(t, sqlworker.Options{Driver: "sqlite", DSN: file(t), Reset: "rollback"}, pool.Config{Size: 1})
	if err := p.With(background, exec("begin")); err != nil { // is rolled back
		t.Fatal(err)
	}
	if err := p.With(background, exec("select 1")); err != nil { // there is nothing to roll back, an error in SQLite
		t.Fatal(err)
	}
	if err := p.With(background, exec("select 1")); err != nil {
		t.Fatal(err)
	}
	if st := p.Stats(); st.BadChecks == 0 || st.Created < 2 {
		t.Errorf("%+v", st)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]sqlworker.Options{
		"options.dsn":            {Driver: "sqlite"},
		"options.driver":         {DSN: "x"},
		"Registered are: sqlite": {Driver: "oracle", DSN: "secret"},
	} {
		_, err := sqlworker.Kind().Open(t.Context(), "orders", pool.Config{}, &o)
		if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestADatabaseThatCannotBeOpenedDegradesOrIsRefused(t *testing.T) {
	o := sqlworker.Options{Driver: "sqlite", DSN: "file:" + filepath.Join(t.TempDir(), "missing", "x.db")}
	if _, err := sqlworker.Kind().Open(t.Context(), "orders", pool.Config{Start: pool.Strict}, &o); !errors.Is(err, fault.WorkerFailed) {
		t.Errorf("strict: %v", err)
	}
	p := open(t, o, pool.Config{CheckoutTimeout: 10 * time.Second})
	_, err := p.Acquire(background)
	if st := p.Status(); !errors.Is(err, fault.WorkerFailed) || !st.Degraded {
		t.Errorf("lazy: %v, %+v", err, st)
	}
}

// database/sql does not close a connection before the transactions and results on it
// have ended. A borrower that panics over one must not take a place of the pool with
// it for ever.
func TestAnAbandonedTransactionOrResultTakesNoPlaceOfThePool(t *testing.T) {
	var ends []func() error
	defer func() {
		for _, end := range ends {
			_ = end() // ends the goroutine that closes the connection
		}
	}()
	p := open(t, sqlworker.Options{Driver: "sqlite", DSN: file(t)}, pool.Config{Size: 1})
	abandon := func(begin func(*sql.Conn) (func() error, error)) {
		defer func() { _ = recover() }()
		_ = p.With(background, func(_ context.Context, c *sql.Conn) error {
			end, err := begin(c)
			if err != nil {
				t.Error(err)
				return err
			}
			ends = append(ends, end)
			panic("oops")
		})
	}
	abandon(func(c *sql.Conn) (func() error, error) {
		tx, err := c.BeginTx(background, nil)
		if err != nil {
			return nil, err
		}
		return tx.Rollback, nil
	})
	abandon(func(c *sql.Conn) (func() error, error) {
		rows, err := c.QueryContext(background, "select 1 union select 2") //nolint:sqlclosecheck,rowserrcheck // left open on purpose
		if err != nil {
			return nil, err
		}
		return rows.Close, nil
	})
	if err := p.With(background, exec("select 1")); err != nil {
		t.Error(err)
	}
	if st := p.Stats(); st.Created != 3 {
		t.Errorf("%+v", st)
	}
}
