package sqlguard_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
	"github.com/elixirscope/foundation/retry"
)

var errReset = &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}

// promptly retries without a wait to speak of.
func promptly() *retry.Config {
	return &retry.Config{Attempts: 3, Backoff: time.Nanosecond}
}

// newRetried is a database whose calls meet errs in turn, and then go well.
func newRetried(t *testing.T, cfg guard.Config, errs ...error) *fixture {
	t.Helper()
	f := &fixture{fake: &fakeDB{}}
	f.fake.meets(errs...)
	f.sql = sql.OpenDB(f.fake)
	t.Cleanup(func() { f.sql.Close() })
	var err error
	if f.breaker, err = breaker.New("orders", breaker.Config{FailureThreshold: 100}); err != nil {
		t.Fatal(err)
	}
	cfg.Breaker, cfg.Concurrency = f.breaker, 1
	if cfg.Retry == nil {
		cfg.Retry = promptly()
	}
	if f.guard, err = guard.New("orders", cfg); err != nil {
		t.Fatal(err)
	}
	f.db = sqlguard.New(f.sql, f.guard)
	return f
}

// calls are those that may be made again, each as one that returns its error.
var calls = map[string]func(context.Context, *sqlguard.DB) error{
	"exec": func(ctx context.Context, db *sqlguard.DB) error { _, err := db.Exec(ctx, "told"); return err },
	"query": func(ctx context.Context, db *sqlguard.DB) error {
		rows, err := db.Query(ctx, "told")
		if err != nil {
			return err
		}
		return errors.Join(rows.Close(), rows.Err())
	},
	"row": func(ctx context.Context, db *sqlguard.DB) error {
		if err := db.QueryRow(ctx, "told").Scan(new(int)); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return nil
	},
}

func TestRetry_WhatWasNotExecutedIsTriedAgain(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for about, c := range map[string]struct {
		idempotent bool
		errs       []error
		runs       int32 // that reached the driver
		err        error
	}{
		"no connection":                 {errs: []error{dial, dial}, runs: 3},
		"no connection, in vain":        {errs: []error{dial, dial, dial}, runs: 3, err: dial},
		"says so":                       {errs: []error{safely{}}, runs: 2},
		"perhaps executed":              {errs: []error{errReset}, runs: 1, err: errReset},
		"a foreign table's server":      {errs: []error{stateError("08001")}, runs: 1, err: stateError("08001")},
		"perhaps one of two":            {errs: []error{errors.Join(dial, errReset)}, runs: 1, err: errReset},
		"idempotent":                    {idempotent: true, errs: []error{errReset, stateError("57P01")}, runs: 3},
		"idempotent, in vain":           {idempotent: true, errs: []error{errReset, errReset, errReset}, runs: 3, err: errReset},
		"idempotent, a serialization":   {idempotent: true, errs: []error{stateError("40001")}, runs: 1, err: stateError("40001")},
		"idempotent, a healthy refusal": {idempotent: true, errs: []error{stateError("23505")}, runs: 1, err: stateError("23505")},
		"idempotent, neutral":           {idempotent: true, errs: []error{guard.Neutral(errReset)}, runs: 1, err: errReset},
	} {
		for name, call := range calls {
			f := newRetried(t, guard.Config{}, c.errs...)
			err := call(t.Context(), f.db.With(guard.Call{Idempotent: c.idempotent}))
			if !errors.Is(err, c.err) || f.fake.runs.Load() != c.runs || !f.free() {
				t.Errorf("%s, %s: %v after %d attempts", about, name, err, f.fake.runs.Load())
			}
			if s := f.guard.Status(); s.Results[guard.Succeeded]+s.Results[guard.Failed]+s.Results[guard.Indifferent] != 2 { // free is one
				t.Errorf("%s, %s: the call was counted as %v", about, name, s.Results)
			}
		}
	}
}

// database/sql looks for a connection that works itself, three times at once; what it then
// returns is not executed by the contract of drivers.
func TestRetry_BadConnections(t *testing.T) {
	bad := slices.Repeat([]error{driver.ErrBadConn}, 3)
	f := newRetried(t, guard.Config{}, bad...)
	if _, err := f.db.Exec(t.Context(), "told"); err != nil || f.fake.runs.Load() != 4 {
		t.Errorf("%v after %d runs", err, f.fake.runs.Load())
	}
	if s := f.guard.Status(); s.Retries.Retried[retry.Failed] != 1 {
		t.Errorf("retries %v", s.Retries.Retried)
	}
	f = newRetried(t, guard.Config{}, slices.Repeat(bad, 3)...)
	_, err := f.db.Exec(t.Context(), "told")
	if !errors.Is(err, driver.ErrBadConn) || !retry.IsFinal(err) || f.fake.runs.Load() != 9 {
		t.Errorf("in vain: %v, final %v, after %d runs", err, retry.IsFinal(err), f.fake.runs.Load())
	}
}

func TestRetry_OfATransactionOnlyTheBeginning(t *testing.T) {
	for _, idempotent := range []bool{false, true} {
		for about, begin := range map[string]func(*sqlguard.DB, func(*sql.Tx) error) error{
			"in tx": func(db *sqlguard.DB, fn func(*sql.Tx) error) error {
				return db.InTx(t.Context(), nil, func(_ context.Context, tx *sql.Tx) error { return fn(tx) })
			},
			"begin": func(db *sqlguard.DB, fn func(*sql.Tx) error) error {
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					return err
				}
				return errors.Join(fn(tx.Tx), tx.Commit())
			},
		} {
			f := newRetried(t, guard.Config{})
			db := f.db.With(guard.Call{Idempotent: idempotent})
			f.fake.begins.meets(errReset)
			runs := 0
			err := begin(db, func(tx *sql.Tx) error {
				runs++
				f.fake.meets(errReset)
				_, err := tx.ExecContext(t.Context(), "told")
				return err
			})
			if s := f.guard.Status(); !errors.Is(err, errReset) || runs != 1 || s.Retries.Retried[retry.Failed] != 1 || !f.free() {
				t.Errorf("%s, idempotent %v: %v after %d runs and %v retries", about, idempotent, err, runs, s.Retries.Retried)
			}
			f.fake.begins.meets(errReset, errReset, errReset)
			if err := begin(db, func(*sql.Tx) error { t.Error("a transaction that has not begun"); return nil }); !errors.Is(err, errReset) || !retry.IsFinal(err) || !f.free() {
				t.Errorf("%s, idempotent %v, in vain: %v", about, idempotent, err)
			}
		}
	}
}

func TestRetry_DoIsTriedAgainAsAWholeIfIdempotent(t *testing.T) {
	for want, call := range map[int]guard.Call{1: {}, 3: {Idempotent: true}} {
		f, runs := newRetried(t, guard.Config{}), 0
		err := f.db.With(call).Do(t.Context(), func(context.Context, *sql.DB) error { runs++; return safely{} })
		if !errors.Is(err, safely{}) || runs != want {
			t.Errorf("%+v: %v after %d runs", call, err, runs)
		}
	}
	f := newRetried(t, guard.Config{})
	f.fake.pings.meets(errReset, errReset)
	if err := f.db.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

func TestRetry_RowsThatBreakOffAreNotReadAgain(t *testing.T) {
	f := newRetried(t, guard.Config{})
	rows, err := f.db.With(guard.Call{Idempotent: true}).Query(t.Context(), "breaks")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	if s := f.guard.Status(); rows.Err() == nil || s.Retries.Retried[retry.Failed] != 0 || !f.free() {
		t.Errorf("%v, retries %v", rows.Err(), s.Retries.Retried)
	}
}

func TestRetry_AnAttemptHasItsTimeAndTheCallerItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newRetried(t, guard.Config{Timeout: time.Hour, Retry: &retry.Config{Attempts: 3, Backoff: time.Nanosecond, AttemptTimeout: time.Second}})
		twice := f.db.With(guard.Call{Idempotent: true})
		began := time.Now()
		_, err := twice.Exec(t.Context(), "slow")
		if took := time.Since(began).Round(time.Second); !errors.Is(err, fault.CallTimeout) || !retry.IsFinal(err) || took != 3*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if _, err := twice.Exec(ctx, "slow"); err == nil || retry.IsFinal(err) {
			t.Errorf("the caller's deadline: %v", err)
		}
		if s := f.guard.Status(); s.Retries.Retried[retry.TimedOut] != 2 || !f.free() {
			t.Errorf("%v", s.Retries.Retried)
		}
	})
}

func TestRetry_JudgesOfTheUsersOwn(t *testing.T) {
	errBusy := errors.New("all connections of the proxy are taken")
	f := newRetried(t, guard.Config{}, errBusy)
	db := sqlguard.New(f.sql, f.guard, sqlguard.WithNotExecuted(func(err error) bool { return errors.Is(err, errBusy) || sqlguard.NotExecuted(err) }))
	if _, err := db.Exec(t.Context(), "told"); err != nil {
		t.Error(err)
	}
	f = newRetried(t, guard.Config{}, errBusy)
	db = sqlguard.New(f.sql, f.guard, sqlguard.WithNotExecuted(nil), sqlguard.WithOutcome(func(error) outcome.Outcome { return outcome.Success }))
	if _, err := db.With(guard.Call{Idempotent: true}).Exec(t.Context(), "told"); !errors.Is(err, errBusy) || f.fake.runs.Load() != 1 {
		t.Errorf("no failure was tried again: %v", err)
	}
}

func TestRetry_WithoutAPolicyEverythingIsMadeOnce(t *testing.T) {
	f := newFixture(t, 0)
	f.fake.meets(safely{})
	if _, err := f.db.With(guard.Call{Idempotent: true}).Exec(t.Context(), "told"); !errors.Is(err, safely{}) || retry.IsFinal(err) || f.fake.runs.Load() != 1 {
		t.Errorf("%v after %d runs", err, f.fake.runs.Load())
	}
}

// safely is an error as pgx makes them when nothing was sent.
type safely struct{}

func (safely) Error() string     { return "conn busy" }
func (safely) SafeToRetry() bool { return true }
