package sqlguard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

func TestOutcome(t *testing.T) {
	for want, errs := range map[outcome.Outcome][]error{
		outcome.Success: {
			nil, sql.ErrNoRows, stateError("23505"), stateError("22001"), stateError("42P01"), stateError("P0001"), stateError("25P02"),
			errors.Join(stateError("23505"), sql.ErrTxDone), errors.Join(fault.New(fault.Spec{Code: fault.RateLimited}), sql.ErrNoRows),
		},
		outcome.Ignored: {
			context.Canceled, sql.ErrTxDone, stateError("40001"), stateError("40P01"), stateError("55P03"), fault.New(fault.Spec{Code: fault.RateLimited}),
			syscall.EMFILE, fault.New(fault.Spec{Code: fault.WorkerFailed, Cause: syscall.EADDRNOTAVAIL}),
			errors.Join(context.Canceled, sql.ErrTxDone), errors.Join(stateError("40001"), fault.New(fault.Spec{Code: fault.PoolFull})),
		},
		outcome.Failure: {
			errNoRoute, sql.ErrConnDone, context.DeadlineExceeded, stateError("08006"), stateError("53300"), stateError("57P01"), stateError("57014"),
			stateError("58030"), stateError("XX000"), stateError("28P01"), stateError("3D000"), stateError(""), stateError("2"), stateError("ZZ999"),
			fault.New(fault.Spec{Code: fault.WorkerFailed}),
			// A failure wins, whatever it is joined with.
			errors.Join(errNoRoute, fault.New(fault.Spec{Code: fault.RateLimited})), fmt.Errorf("x: %w", errors.Join(sql.ErrNoRows, errNoRoute)),
			errors.Join(errNoRoute, sql.ErrTxDone), errors.Join(stateError("23505"), stateError("57P01")), fmt.Errorf("%w, %w", context.Canceled, sql.ErrConnDone),
		},
	} {
		for _, err := range errs {
			if got := sqlguard.Outcome(err); got != want {
				t.Errorf("%v is %v, want %v", err, got, want)
			}
		}
	}
}

func TestDB_Calls(t *testing.T) {
	for _, c := range []struct {
		query string
		want  error // nil means none
		opens bool
	}{
		{"fine", nil, false},
		{"unique", stateError("23505"), false},
		{"shutdown", stateError("57P01"), true},
	} {
		f := newFixture(t, 0)
		_, err := f.db.Exec(t.Context(), c.query)
		if !errors.Is(err, c.want) || f.open() != c.opens || !f.free() {
			t.Errorf("exec %s: %v, open %v", c.query, err, f.open())
		}
		f = newFixture(t, 0)
		rows, err := f.db.Query(t.Context(), c.query)
		if err == nil {
			err = rows.Close()
		}
		if !errors.Is(err, c.want) || f.open() != c.opens || !f.free() {
			t.Errorf("query %s: %v, open %v", c.query, err, f.open())
		}
		f = newFixture(t, 0)
		err = f.db.InTx(t.Context(), nil, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, c.query)
			return err
		})
		if !errors.Is(err, c.want) || f.open() != c.opens || !f.free() {
			t.Errorf("transaction %s: %v, open %v", c.query, err, f.open())
		}
	}
}

func TestDB_RefusedCallsDoNotReachTheDatabase(t *testing.T) {
	f := newFixture(t, 0)
	_, _ = f.db.Exec(t.Context(), "shutdown")
	opened := f.fake.opened.Load()
	_, err1 := f.db.Exec(t.Context(), "fine")
	_, err2 := f.db.Query(t.Context(), "fine") //nolint:gocritic // it is refused: no rows
	_, err3 := f.db.BeginTx(t.Context(), nil)
	err4 := f.db.QueryRow(t.Context(), "fine").Scan()
	err5 := f.db.Ping(t.Context())
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, fault.CircuitOpen) {
			t.Errorf("got %v", err)
		}
	}
	if f.fake.opened.Load() != opened {
		t.Error("a refused call reached the database")
	}
}

func TestRows_ThePlaceIsHeldUntilTheyEnd(t *testing.T) {
	for name, end := range map[string]func(*sqlguard.Rows){
		"read to the end": func(r *sqlguard.Rows) {
			for r.Next() {
			}
		},
		"closed":               func(r *sqlguard.Rows) { r.Close() },
		"closed in the middle": func(r *sqlguard.Rows) { r.Next(); r.Close(); r.Close() },
	} {
		f := newFixture(t, 0)
		rows, err := f.db.Query(t.Context(), "three")
		if err != nil || rows.Err() != nil {
			t.Fatal(err)
		}
		if f.free() {
			t.Errorf("%s: free before", name)
		}
		end(rows)
		if !f.free() {
			t.Errorf("%s: not free afterwards", name)
		}
		rows.Close()
	}
}

func TestRows_FetchThatBreaksIsAFailure(t *testing.T) {
	f := newFixture(t, 0)
	rows, err := f.db.Query(t.Context(), "breaks")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); n != 1 || !errors.Is(err, io.ErrUnexpectedEOF) || !f.open() {
		t.Errorf("%d rows, %v, open %v", n, err, f.open())
	}
}

func TestRow(t *testing.T) {
	f := newFixture(t, 0)
	var n int
	if err := f.db.QueryRow(t.Context(), "three").Scan(&n); err != nil || n != 2 || !f.free() {
		t.Errorf("%d, %v", n, err)
	}
	if err := f.db.QueryRow(t.Context(), "none").Scan(&n); !errors.Is(err, sql.ErrNoRows) || f.open() || !f.free() {
		t.Errorf("no row: %v", err)
	}
	var wrong time.Time
	if err := f.db.QueryRow(t.Context(), "three").Scan(&wrong); err == nil || f.open() || !f.free() {
		t.Errorf("a row that does not fit: %v", err)
	}
	if err := f.db.QueryRow(t.Context(), "breaks").Scan(&n); err != nil {
		t.Errorf("first row: %v", err)
	}
}

func TestTx_HoldsThePlaceAndTheWorstDecides(t *testing.T) {
	f := newFixture(t, 0)
	tx, err := f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.free() {
		t.Error("free within the transaction")
	}
	_, _ = tx.Exec("unique")
	_, _ = tx.Exec("shutdown")
	rows, err := tx.Query("three")
	if err != nil || rows.Close() != nil || rows.Err() != nil {
		t.Error(err)
	}
	var n int
	if err := tx.QueryRow("three").Scan(&n); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil || !f.open() || !f.free() {
		t.Errorf("%v, open %v", err, f.open())
	}
	f.breaker.Reset("test")
	tx, err = f.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tx.Exec("unique")
	if err := tx.Commit(); err != nil || f.open() {
		t.Errorf("%v, open %v", err, f.open())
	}
	if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) || f.open() || !f.free() {
		t.Errorf("a second end: %v, open %v", err, f.open())
	}
}

func TestDB_TimeoutIsTheDatabasesFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, time.Second)
		began := time.Now()
		_, err := f.db.Exec(t.Context(), "slow")
		if took := time.Since(began); !errors.Is(err, fault.CallTimeout) || took != time.Second || !f.open() {
			t.Errorf("%v after %v, open %v", err, took, f.open())
		}
	})
}

func TestPeer06_CallersThatLeaveAreNotTheDatabasesFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, time.Hour)
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := f.db.Exec(ctx, "slow"); err == nil {
				t.Error("no error")
			}
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			_ = f.db.InTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, "slow")
				return err
			})
		}
		if f.open() || !f.free() {
			t.Errorf("open %v", f.open())
		}
	})
}

func TestDB_PanicGivesThePlaceBack(t *testing.T) {
	f := newFixture(t, 0)
	for _, call := range []func(){
		func() { _, _ = f.db.Exec(t.Context(), "panic") },
		func() { _, _ = f.db.Query(t.Context(), "panic") }, //nolint:gocritic // it panics: no rows
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			call()
		}()
		open, free := f.open(), f.free()
		f.breaker.Reset("test")
		if !open || !free {
			t.Error("a panic did not count, or kept its place")
		}
	}
}

func TestDB_With(t *testing.T) {
	f := newFixture(t, 0)
	if f.db.With(guard.Call{Op: "list"}) == f.db || f.db.Unwrap() != f.sql {
		t.Error("With changes what it was called on")
	}
	judge := sqlguard.New(f.sql, f.guard, sqlguard.WithOutcome(func(error) outcome.Outcome { return outcome.Failure }))
	if _, err := judge.Exec(t.Context(), "fine"); err != nil || !f.open() {
		t.Errorf("%v, open %v", err, f.open())
	}
}

// A call that cannot be lost needs no lease: one that takes long is no failure.
func TestDB_ALongCallIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, 0)
		err := f.db.Do(t.Context(), func(context.Context, *sql.DB) error {
			time.Sleep(time.Hour)
			if s := f.guard.Status(); s.InFlight != 1 || s.LeasesExpired != 0 {
				t.Errorf("in the middle: %d in flight, %d leases expired", s.InFlight, s.LeasesExpired)
			}
			return nil
		})
		if s := f.guard.Status(); err != nil || s.Results[guard.Succeeded] != 1 {
			t.Errorf("%v, results %v", err, s.Results)
		}
	})
}

// What an application thinks of its own rules says nothing about the database.
func TestDB_NeutralErrorsAreIgnored(t *testing.T) {
	errOutOfStock := errors.New("out of stock")
	for _, opts := range [][]sqlguard.Option{nil, {sqlguard.WithOutcome(func(error) outcome.Outcome { return outcome.Failure })}} {
		f := newFixture(t, 0, opts...)
		err := f.db.InTx(t.Context(), nil, func(context.Context, *sql.Tx) error { return guard.Neutral(errOutOfStock) })
		if s := f.guard.Status(); !errors.Is(err, errOutOfStock) || f.open() || s.Results[guard.Indifferent] != 1 {
			t.Errorf("%v, open %v, results %v", err, f.open(), s.Results)
		}
	}
}
