package pgxguard_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/elixirscope/foundation/adapters/postgres/pgxguard"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/pgtest"
	"github.com/elixirscope/foundation/outcome"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func server(t *testing.T) *pgtest.Server {
	t.Helper()
	return pgtest.Running(t, "adapters/postgres/pgxguard")
}

type fixture struct {
	*pgxguard.DB
	pool    *pgxpool.Pool
	guard   *guard.Guard
	breaker *breaker.Breaker
}

func newFixture(t *testing.T, s *pgtest.Server, timeout time.Duration, opts ...pgxguard.Option) *fixture {
	t.Helper()
	f := &fixture{}
	var err error
	if f.pool, err = pgxpool.New(t.Context(), s.DSN()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.pool.Close)
	f.breaker, err = breaker.New("orders", breaker.Config{FailureThreshold: 1, Window: time.Minute, Cooldown: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	f.guard, err = guard.New("orders", guard.Config{Breaker: f.breaker, Concurrency: 1, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	f.DB = pgxguard.New(f.pool, f.guard, opts...)
	return f
}

func (f *fixture) open() bool { return f.breaker.State() == breaker.StateOpen }

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

func stateOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.SQLState()
	}
	return ""
}

func TestOutcome(t *testing.T) {
	for want, errs := range map[outcome.Outcome][]error{
		outcome.Success: {nil, pgx.ErrNoRows, pgx.ErrTooManyRows, pgx.ErrTxCommitRollback, &pgconn.PgError{Code: "23505"}},
		outcome.Ignored: {pgx.ErrTxClosed, context.Canceled, &pgconn.PgError{Code: "40001"}},
		outcome.Failure: {errors.New("unknown"), context.DeadlineExceeded, &pgconn.PgError{Code: "57P01"}, &pgconn.PgError{Code: "53300"}},
	} {
		for _, err := range errs {
			if got := pgxguard.Outcome(err); got != want {
				t.Errorf("%v is %v, want %v", err, got, want)
			}
		}
	}
}

func TestDB_StatesOfARealServer(t *testing.T) {
	s := server(t)
	for _, c := range []struct {
		sql, state string
		opens      bool
	}{
		{"SELECT 1", "", false},
		{"SELECT 1/0", "22012", false},
		{"SELECT nonsense", "42703", false},
		{"DO $$ BEGIN RAISE EXCEPTION 'no'; END $$", "P0001", false},
		{"DO $$ BEGIN RAISE unique_violation; END $$", "23505", false},
		{"DO $$ BEGIN RAISE serialization_failure; END $$", "40001", false},
		{"DO $$ BEGIN RAISE too_many_connections; END $$", "53300", true},
		{"SELECT pg_terminate_backend(pg_backend_pid())", "57P01", true},
	} {
		f := newFixture(t, s, time.Minute)
		if _, err := f.Exec(t.Context(), c.sql); stateOf(err) != c.state || f.open() != c.opens || !f.free() {
			t.Errorf("exec %s: %v, open %v", c.sql, err, f.open())
		}
		f = newFixture(t, s, time.Minute)
		rows, err := f.Query(t.Context(), c.sql)
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		if stateOf(err) != c.state || f.open() != c.opens || !f.free() {
			t.Errorf("query %s: %v, open %v", c.sql, err, f.open())
		}
		f = newFixture(t, s, time.Minute)
		err = f.InTx(t.Context(), pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, c.sql)
			return err
		})
		if stateOf(err) != c.state || f.open() != c.opens || !f.free() {
			t.Errorf("transaction %s: %v, open %v", c.sql, err, f.open())
		}
	}
}

func TestDB_RowsHoldThePlace(t *testing.T) {
	s := server(t)
	f := newFixture(t, s, time.Minute)
	rows, err := f.Query(t.Context(), "SELECT generate_series(1, 1000)")
	if err != nil {
		t.Fatal(err)
	}
	if rows.Next(); f.free() {
		t.Error("free in the middle")
	}
	rest, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if len(rest) != 999 || err != nil || !f.free() || f.open() {
		t.Errorf("%d, %v", len(rest), err)
	}
	var n int
	if err := f.QueryRow(t.Context(), "SELECT 42").Scan(&n); n != 42 || err != nil || !f.free() {
		t.Errorf("%d, %v", n, err)
	}
	if err := f.QueryRow(t.Context(), "SELECT 1 WHERE false").Scan(&n); !errors.Is(err, pgx.ErrNoRows) || f.open() || !f.free() {
		t.Errorf("no row: %v", err)
	}
	if err := f.QueryRow(t.Context(), "SELECT 1/(n-1) FROM generate_series(1,2) n").Scan(&n); stateOf(err) != "22012" || f.open() || !f.free() {
		t.Errorf("a bad row: %v", err)
	}
}

func TestDB_TransactionsAndBatches(t *testing.T) {
	s := server(t)
	f := newFixture(t, s, time.Minute)
	if err := pgx.BeginFunc(t.Context(), f, func(tx pgx.Tx) error {
		if f.free() {
			t.Error("free in the middle")
		}
		_, err := tx.Exec(t.Context(), "DROP TABLE IF EXISTS things; CREATE TABLE things (id int PRIMARY KEY)") // a run before may have left it
		return err
	}); err != nil || !f.free() || f.open() {
		t.Fatalf("%v, open %v", err, f.open())
	}
	n, err := f.CopyFrom(t.Context(), pgx.Identifier{"things"}, []string{"id"}, pgx.CopyFromRows([][]any{{1}, {2}}))
	if n != 2 || err != nil || !f.free() {
		t.Errorf("copied %d, %v", n, err)
	}
	var batch pgx.Batch
	batch.Queue("INSERT INTO things VALUES (3)")
	batch.Queue("SELECT count(*) FROM things")
	results := f.SendBatch(t.Context(), &batch)
	if _, err := results.Exec(); err != nil || f.free() {
		t.Errorf("insert: %v, or free in the middle", err)
	}
	if err := results.QueryRow().Scan(&n); n != 3 || err != nil {
		t.Errorf("count %d, %v", n, err)
	}
	if err := results.Close(); err != nil || !f.free() || f.open() {
		t.Errorf("close: %v", err)
	}
	if err := f.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDB_TimeoutAndLeaving(t *testing.T) {
	s := server(t)
	f := newFixture(t, s, 50*time.Millisecond)
	_, err := f.Exec(t.Context(), "SELECT pg_sleep(60)")
	if !errors.Is(err, fault.CallTimeout) || !f.open() {
		t.Errorf("timeout: %v, open %v", err, f.open())
	}
	f = newFixture(t, s, time.Minute)
	for range 3 { // PEERS 6
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(20*time.Millisecond, cancel)
		rows, err := f.Query(ctx, "SELECT pg_sleep(60)")
		timer.Stop()
		cancel()
		if err == nil {
			rows.Close()
			err = rows.Err()
		}
		if err == nil || f.open() || !f.free() {
			t.Errorf("left: %v, open %v", err, f.open())
		}
	}
}

func TestDB_RefusedCalls(t *testing.T) {
	s := server(t)
	f := newFixture(t, s, time.Minute, pgxguard.WithOutcome(func(error) outcome.Outcome { return outcome.Failure }))
	_, _ = f.Exec(t.Context(), "SELECT 1")
	_, err1 := f.Exec(t.Context(), "SELECT 1")
	rows, _ := f.Query(t.Context(), "SELECT 1")
	_, err2 := pgx.CollectRows(rows, pgx.RowTo[int])
	_, err3 := f.Begin(t.Context())
	results := f.With(guard.Call{Op: "batch"}).SendBatch(t.Context(), &pgx.Batch{})
	_, err4 := results.Exec()
	err5 := results.QueryRow().Scan()
	for i, err := range []error{err1, err2, err3, err4, err5, results.Close(), f.QueryRow(t.Context(), "SELECT 1").Scan()} {
		if !errors.Is(err, fault.CircuitOpen) {
			t.Errorf("%d: got %v", i+1, err)
		}
	}
	if err := results.Tx().Rollback(t.Context()); !errors.Is(err, pgx.ErrTxClosed) {
		t.Errorf("rollback: %v", err)
	}
}

func TestDB_ServerThatIsKilled(t *testing.T) {
	s := server(t)
	f := newFixture(t, s, 5*time.Second)
	if err := f.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	err := f.Ping(t.Context())
	if err == nil || !f.open() {
		t.Errorf("a dead server: %v, open %v", err, f.open())
	}
	pgtest.Restart(t, s)
	f.breaker.Reset("test")
	if err := f.Ping(t.Context()); err != nil { // pgx meets its dead connection once
		f.breaker.Reset("test")
		err = f.Ping(t.Context())
		if err != nil {
			t.Errorf("a server that is back: %v", err)
		}
	}
}
