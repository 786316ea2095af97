// Command sql shows a guarded database: what its answers mean for its health, and
// what happens when it is gone.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect/sqlguard"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer db.Close()      //nolint:errcheck // nothing follows
	db.SetMaxOpenConns(1) // each connection to :memory: is a database of its own
	health, err := breaker.New("orders_db", breaker.Config{FailureThreshold: 2, Window: 10 * time.Second, Cooldown: 30 * time.Second})
	if err != nil {
		return err
	}
	g, err := guard.New("orders", guard.Config{Breaker: health, Timeout: time.Second})
	if err != nil {
		return err
	}
	orders := sqlguard.New(db, g, sqlguard.WithOutcome(judge))

	if _, err := orders.Exec(ctx, "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER)"); err != nil {
		return err
	}
	insert := func(id, total int) error {
		return orders.InTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO orders VALUES (?, ?)", id, total)
			return err
		})
	}
	fmt.Fprintln(out, "insert:", insert(1, 1999))
	fmt.Fprintln(out, "insert again:", insert(1, 1999) != nil)
	var total int
	fmt.Fprintln(out, "total:", orders.QueryRow(ctx, "SELECT total FROM orders WHERE id = ?", 1).Scan(&total), total)
	fmt.Fprintln(out, "no such order:", orders.QueryRow(ctx, "SELECT total FROM orders WHERE id = ?", 2).Scan(&total))
	fmt.Fprintln(out, "the breaker is", health.State(), "after a conflict and a missing row")

	_ = db.Close() // as if the server were gone
	for range 2 {
		_, err = orders.Exec(ctx, "DELETE FROM orders")
		fmt.Fprintln(out, "delete:", err)
	}
	_, err = orders.Exec(ctx, "DELETE FROM orders")
	fmt.Fprintln(out, "the breaker is", health.State(), "and refuses:", errors.Is(err, fault.CircuitOpen))
	return nil
}

// judge knows SQLite's own codes, which are no SQLSTATEs: a constraint that holds
// is the answer of a healthy database.
func judge(err error) outcome.Outcome {
	if e, ok := errors.AsType[*sqlite.Error](err); ok && e.Code()&0xff == sqlite3.SQLITE_CONSTRAINT {
		return outcome.Success
	}
	return sqlguard.Outcome(err)
}
