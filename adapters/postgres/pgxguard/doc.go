// Package pgxguard puts a guard around the calls of pgx.
//
// # Usage
//
//	orders := pgxguard.New(pool, ordersGuard) // a *pgxpool.Pool or a *pgx.Conn
//	rows, err := orders.Query(ctx, "SELECT id, total FROM orders WHERE customer = $1", customer)
//	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Order])
//	err = orders.InTx(ctx, pgx.TxOptions{}, func(ctx context.Context, tx pgx.Tx) error { … })
//
// A [DB] has the methods that generated code and most helpers ask for (Exec,
// Query, QueryRow, Begin, SendBatch, CopyFrom), with pgx's own types.
//
// # Pooling
//
// A *pgxpool.Pool pools already. To have the guard wait for its connections and
// report them, use the stage of package postgres instead of a pool of our own.
//
// # What counts as failure
//
// [Outcome], by SQLSTATE.
package pgxguard
