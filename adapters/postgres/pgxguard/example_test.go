package pgxguard_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/elixirscope/foundation/adapters/postgres/pgxguard"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard/guardtest"
)

func ExampleDB() {
	var pool pgxguard.Database // a *pgxpool.Pool or a *pgx.Conn; this guard asks nothing of it
	orders := pgxguard.New(pool, guardtest.Refuse(fault.CircuitOpen))
	rows, _ := orders.Query(context.Background(), "SELECT total FROM orders")
	_, err := pgx.CollectRows(rows, pgx.RowTo[int])
	fmt.Println(errors.Is(err, fault.CircuitOpen))
	// Output: true
}

func ExampleOutcome() {
	fmt.Println(pgxguard.Outcome(pgx.ErrNoRows), pgxguard.Outcome(&pgconn.PgError{Code: "40001"}), pgxguard.Outcome(&pgconn.PgError{Code: "57P01"}))
	// Output: success ignored failure
}
