package pgxguard_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/elixirscope/foundation/adapters/postgres/pgxguard"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/pgtest"
	"github.com/elixirscope/foundation/retry"
)

var idempotent = guard.Call{Idempotent: true}

// newRetried is a guard that retries without a wait to speak of, around db.
func newRetried(t *testing.T, db pgxguard.Database, cfg retry.Config) (*pgxguard.DB, *guard.Guard) {
	t.Helper()
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Nanosecond
	}
	g, err := guard.New("orders", guard.Config{Retry: &cfg, Concurrency: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return pgxguard.New(db, g), g
}

func retriesOf(g *guard.Guard) uint64 {
	s := g.Status()
	return s.Retries.Retried[retry.Failed] + s.Retries.Retried[retry.TimedOut]
}

// notSentError is an error as pgconn makes them when nothing was sent.
type notSentError struct{}

func (notSentError) Error() string     { return "conn closed" }
func (notSentError) SafeToRetry() bool { return true }

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}

// fake meets errors in turn: where a call begins, and where the first row is read.
type fake struct {
	pgxguard.Database
	starts, reads []error
	copied        int // rows that CopyFrom takes before it fails
	runs          int
}

func take(errs *[]error) (err error) {
	if len(*errs) > 0 {
		err, *errs = (*errs)[0], (*errs)[1:]
	}
	return err
}

func (f *fake) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	f.runs++
	return pgconn.NewCommandTag("UPDATE 1"), take(&f.starts)
}

func (f *fake) Query(context.Context, string, ...any) (pgx.Rows, error) {
	f.runs++
	if err := take(&f.starts); err != nil {
		return nil, err
	}
	return &fakeRows{err: take(&f.reads), left: 2}, nil
}

func (f *fake) BeginTx(context.Context, pgx.TxOptions) (pgx.Tx, error) {
	f.runs++
	if err := take(&f.starts); err != nil {
		return nil, err
	}
	return fakeTx{}, nil
}

func (f *fake) Ping(context.Context) error { f.runs++; return take(&f.starts) }

func (f *fake) CopyFrom(_ context.Context, _ pgx.Identifier, _ []string, src pgx.CopyFromSource) (int64, error) {
	f.runs++
	for range f.copied {
		src.Next()
	}
	return 0, take(&f.starts)
}

type fakeRows struct {
	pgx.Rows
	err    error
	left   int
	closed bool
}

func (r *fakeRows) Next() bool {
	if r.err != nil || r.closed || r.left == 0 {
		r.closed = true
		return false
	}
	r.left--
	return true
}
func (r *fakeRows) Err() error        { return r.err }
func (r *fakeRows) Close()            { r.closed = true }
func (r *fakeRows) Scan(...any) error { return nil }

type fakeTx struct{ pgx.Tx }

func (fakeTx) Commit(context.Context) error   { return nil }
func (fakeTx) Rollback(context.Context) error { return nil }

// read reads all rows of a query, and counts them.
func read(ctx context.Context, db *pgxguard.DB) (n int, err error) {
	rows, _ := db.Query(ctx, "SELECT n FROM numbers")
	for rows.Next() {
		n++
	}
	return n, rows.Err()
}

func TestNotExecuted(t *testing.T) {
	_, refused := pgconn.Connect(t.Context(), "postgres://nobody@127.0.0.1:1/nothing?sslmode=disable&connect_timeout=5")
	for want, errs := range map[bool][]error{
		true:  {notSentError{}, refused},
		false: {nil, errReset, context.DeadlineExceeded, &pgconn.PgError{Code: "40001"}, &pgconn.PgError{Code: "08006"}, errors.Join(notSentError{}, errReset)},
	} {
		for _, err := range errs {
			if got := pgxguard.NotExecuted(err); got != want {
				t.Errorf("%v: %v", err, got)
			}
		}
	}
}

func TestRetry_WhatWasNotExecutedIsTriedAgain(t *testing.T) {
	for about, c := range map[string]struct {
		call          guard.Call
		starts, reads []error
		runs          int
		err           error
	}{
		"not sent":                      {starts: []error{notSentError{}, notSentError{}}, runs: 3},
		"not sent, in vain":             {starts: []error{notSentError{}, notSentError{}, notSentError{}}, runs: 3, err: notSentError{}},
		"not sent, told at the row":     {reads: []error{notSentError{}}, runs: 2},
		"perhaps executed":              {starts: []error{errReset}, runs: 1, err: errReset},
		"perhaps executed, at the row":  {reads: []error{errReset}, runs: 1, err: errReset},
		"idempotent":                    {call: idempotent, starts: []error{errReset}, reads: []error{&pgconn.PgError{Code: "57P01"}}, runs: 3},
		"idempotent, in vain":           {call: idempotent, reads: []error{errReset, errReset, errReset}, runs: 3, err: errReset},
		"idempotent, a healthy refusal": {call: idempotent, reads: []error{pgx.ErrTooManyRows}, runs: 1, err: pgx.ErrTooManyRows},
	} {
		f := &fake{starts: c.starts, reads: c.reads}
		db, g := newRetried(t, f, retry.Config{})
		n, err := read(t.Context(), db.With(c.call))
		if !errors.Is(err, c.err) || f.runs != c.runs || (err == nil) != (n == 2) || g.Status().InFlight != 0 {
			t.Errorf("query, %s: %d rows, %v after %d runs", about, n, err, f.runs)
		}
		if inVain := c.runs == 3 && c.err != nil; retry.IsFinal(err) != inVain {
			t.Errorf("query, %s: final is %v", about, retry.IsFinal(err))
		}
		f = &fake{starts: c.starts, reads: c.reads}
		db, _ = newRetried(t, f, retry.Config{})
		if err := db.With(c.call).QueryRow(t.Context(), "SELECT 1").Scan(); !errors.Is(err, c.err) || f.runs != c.runs {
			t.Errorf("row, %s: %v after %d runs", about, err, f.runs)
		}
		f = &fake{starts: append(c.starts, c.reads...)}
		db, _ = newRetried(t, f, retry.Config{})
		if tag, err := db.With(c.call).Exec(t.Context(), "UPDATE"); !errors.Is(err, c.err) || f.runs != c.runs || tag.RowsAffected() != 1 {
			t.Errorf("exec, %s: %v, %v after %d runs", about, tag, err, f.runs)
		}
	}
}

// Rows of which one was handed out are not asked for again.
func TestRetry_RowsThatBreakOff(t *testing.T) {
	f := &breaking{}
	db, g := newRetried(t, f, retry.Config{})
	if n, err := read(t.Context(), db.With(idempotent)); n != 1 || !errors.Is(err, errReset) || f.runs != 1 || retriesOf(g) != 0 || g.Status().InFlight != 0 {
		t.Errorf("%d rows, %v after %d runs", n, err, f.runs)
	}
}

// breaking answers with one row, and breaks off.
type breaking struct {
	pgxguard.Database
	runs int
}

func (b *breaking) Query(context.Context, string, ...any) (pgx.Rows, error) {
	b.runs++
	return &breakingRows{fakeRows{left: 1}}, nil
}

type breakingRows struct{ fakeRows }

func (r *breakingRows) Next() bool {
	if r.fakeRows.Next() {
		return true
	}
	r.err = errReset
	return false
}

func TestRetry_OfATransactionOnlyTheBeginning(t *testing.T) {
	for about, begin := range map[string]func(*pgxguard.DB, func() error) error{
		"in tx": func(db *pgxguard.DB, fn func() error) error {
			return db.InTx(t.Context(), pgx.TxOptions{}, func(context.Context, pgx.Tx) error { return fn() })
		},
		"begin": func(db *pgxguard.DB, fn func() error) error {
			tx, err := db.Begin(t.Context())
			if err != nil {
				return err
			}
			return errors.Join(fn(), tx.Commit(t.Context()))
		},
	} {
		f := &fake{starts: []error{errReset, notSentError{}}}
		db, g := newRetried(t, f, retry.Config{})
		runs := 0
		err := begin(db.With(idempotent), func() error { runs++; return notSentError{} })
		if !errors.Is(err, notSentError{}) || runs != 1 || f.runs != 3 || g.Status().InFlight != 0 {
			t.Errorf("%s: %v after %d beginnings and %d runs", about, err, f.runs, runs)
		}
		f.starts, f.runs = []error{errReset, errReset, errReset}, 0
		if err := begin(db, func() error { t.Error("it has not begun"); return nil }); !errors.Is(err, errReset) || !retry.IsFinal(err) || f.runs != 3 {
			t.Errorf("%s, in vain: %v after %d beginnings", about, err, f.runs)
		}
	}
}

func TestRetry_ACopyOnlyWhileNothingWasTaken(t *testing.T) {
	for copied, want := range map[int]int{0: 2, 1: 1} {
		f := &fake{starts: []error{notSentError{}}, copied: copied}
		db, _ := newRetried(t, f, retry.Config{})
		_, err := db.With(idempotent).CopyFrom(t.Context(), pgx.Identifier{"t"}, []string{"n"}, pgx.CopyFromRows([][]any{{1}, {2}}))
		if f.runs != want || (err == nil) != (want == 2) {
			t.Errorf("%d taken: %v after %d runs", copied, err, f.runs)
		}
	}
	f := &fake{starts: []error{errReset}}
	db, _ := newRetried(t, f, retry.Config{})
	if err := db.Ping(t.Context()); err != nil || f.runs != 2 {
		t.Errorf("ping: %v after %d runs", err, f.runs)
	}
}

// prepared returns a pool of connections to a server with an empty table and a new sequence.
func prepared(t *testing.T, s *pgtest.Server) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	for _, sql := range []string{
		"DROP TABLE IF EXISTS things", "CREATE TABLE things (id int PRIMARY KEY)", "DROP SEQUENCE IF EXISTS attempts", "CREATE SEQUENCE attempts",
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

// endsOnce terminates its own backend at its first run, and answers at the second: what a
// sequence has counted is not rolled back.
const endsOnce = "SELECT CASE WHEN nextval('attempts') = 1 THEN pg_terminate_backend(pg_backend_pid())::text || pg_sleep(60)::text ELSE 'well' END"

func TestRetry_AServerThatEndsConnections(t *testing.T) {
	s := server(t)
	pool := prepared(t, s)
	db, g := newRetried(t, pool, retry.Config{})
	var text string
	if err := db.With(idempotent).QueryRow(t.Context(), endsOnce).Scan(&text); err != nil || text != "well" || retriesOf(g) != 1 {
		t.Errorf("idempotent: %q, %v after %d retries", text, err, retriesOf(g))
	}
	if _, err := pool.Exec(t.Context(), "ALTER SEQUENCE attempts RESTART"); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(t.Context(), endsOnce).Scan(&text); stateOf(err) != "57P01" || retry.IsFinal(err) || retriesOf(g) != 1 {
		t.Errorf("not marked: %v after %d retries", err, retriesOf(g))
	}
	rows, _ := db.With(idempotent).Query(t.Context(), "SELECT nextval('attempts')")
	if n, err := pgx.CollectOneRow(rows, pgx.RowTo[int]); n != 2 || err != nil {
		t.Errorf("the statement that was not marked ran %d times, %v", n-1, err)
	}
}

func TestRetry_SerializationFailuresAreTheirOwners(t *testing.T) {
	s := server(t)
	pool := prepared(t, s)
	db, g := newRetried(t, pool, retry.Config{})
	runs := 0
	err := db.With(idempotent).InTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.Serializable}, func(ctx context.Context, tx pgx.Tx) error {
		runs++
		if _, err := tx.Exec(ctx, "INSERT INTO things VALUES (1)"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DO $$ BEGIN RAISE serialization_failure; END $$")
		return err
	})
	var n int
	if counting := pool.QueryRow(t.Context(), "SELECT count(*) FROM things").Scan(&n); counting != nil || stateOf(err) != "40001" || runs != 1 || n != 0 || retriesOf(g) != 0 || retry.IsFinal(err) {
		t.Errorf("%v after %d runs, %d rows, %d retries", err, runs, n, retriesOf(g))
	}
}

// A server that is not there yet refuses connections: nothing was executed, and the statement
// runs once when it is back.
func TestRetry_AServerThatComesBack(t *testing.T) {
	s := server(t)
	pool := prepared(t, s)
	db, g := newRetried(t, pool, retry.Config{Attempts: 10, Backoff: 300 * time.Millisecond, BackoffMax: 2 * time.Second})
	s.Kill()
	for range pool.Stat().IdleConns() { // those that are dead, so that the next is refused
		_ = pool.Ping(t.Context())
	}
	back := make(chan error)
	go func() {
		<-time.After(200 * time.Millisecond)
		back <- s.Start(context.Background())
	}()
	_, err := db.Exec(t.Context(), "INSERT INTO things VALUES (7)")
	if started := <-back; started != nil {
		t.Fatal(started)
	}
	if err != nil || retriesOf(g) == 0 {
		t.Fatalf("%v after %d retries", err, retriesOf(g))
	}
}
