package sqlguard_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/guard/guardtest"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/protect/sqlguard"
	"github.com/elixirscope/foundation/telemetry"
)

func ExampleDB() {
	db := sql.OpenDB(&fakeDB{})
	defer db.Close()
	health, _ := breaker.New("orders_db", breaker.Config{FailureThreshold: 1})
	g, _ := guard.New("orders", guard.Config{Breaker: health})
	orders := sqlguard.New(db, g)

	_, err := orders.Exec(context.Background(), "unique")
	fmt.Println(err, health.State()) // a constraint that holds is the answer of a healthy database
	_, err = orders.Exec(context.Background(), "shutdown")
	fmt.Println(err, health.State())
	_, err = orders.Exec(context.Background(), "fine")
	fmt.Println(errors.Is(err, fault.CircuitOpen))
	// Output:
	// SQLSTATE 23505 closed
	// SQLSTATE 57P01 open
	// true
}

func ExampleDB_Query() {
	db := sql.OpenDB(&fakeDB{})
	defer db.Close()
	rows, err := sqlguard.New(db, guardtest.Admit()).Query(context.Background(), "three")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		if err := rows.Scan(&n); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(n)
	}
	fmt.Println(rows.Err())
	// Output:
	// 2
	// 1
	// 0
	// <nil>
}

func ExampleDB_InTx() {
	db := sql.OpenDB(&fakeDB{})
	defer db.Close()
	orders := sqlguard.New(db, guardtest.Admit())
	err := orders.InTx(context.Background(), nil, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "fine")
		return err
	})
	fmt.Println(err)
	// Output: <nil>
}

func ExampleOutcome() {
	fmt.Println(sqlguard.Outcome(sql.ErrNoRows), sqlguard.Outcome(stateError("40001")), sqlguard.Outcome(stateError("08006")))
	// Output: success ignored failure
}

func ExampleStateOutcome() {
	fmt.Println(sqlguard.StateOutcome("23505"), sqlguard.StateOutcome("40P01"), sqlguard.StateOutcome("53300"))
	// Output: success ignored failure
}

func ExampleNewStage() {
	db := sql.OpenDB(&fakeDB{})
	defer db.Close()
	db.SetMaxOpenConns(1)
	stage, _ := sqlguard.NewStage("orders_db", db, 0)
	g, _ := guard.New("orders", guard.Config{Pool: stage})
	conns, _ := guard.Bind[*sql.Conn](g)
	_, err := guard.DoWith(context.Background(), conns, guard.Call{}, func(ctx context.Context, c *sql.Conn) (sql.Result, error) {
		_, full := stage.Checkout(ctx, pool.CheckoutOptions{NoWait: true})
		fmt.Println(errors.Is(full, fault.PoolFull))
		return c.ExecContext(ctx, "fine")
	})
	fmt.Println(err, stage.Stats().Idle)
	// Output:
	// true
	// <nil> 1
}

func ExampleNewCollector() {
	db := sql.OpenDB(&fakeDB{})
	defer db.Close()
	db.SetMaxOpenConns(7)
	sqlguard.NewCollector("orders_db", db).Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_sql_connections_max" {
			fmt.Println(s.Desc.Name, s.Labels, s.Value)
		}
	})
	// Output: foundation_sql_connections_max [orders_db] 7
}
