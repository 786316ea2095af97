// Package sqlguard puts a guard around the calls of database/sql.
//
// # Usage
//
//	orders := sqlguard.New(db, ordersGuard)
//	rows, err := orders.Query(ctx, "SELECT id FROM orders WHERE customer = $1", customer)
//	err = orders.InTx(ctx, nil, func(ctx context.Context, tx *sql.Tx) error { … })
//
// There is no driver wrapper, and there will be none: drivers have a dozen
// optional interfaces, and every wrapper so far has lost some of them. The
// handle below stays the *sql.DB that it was.
//
// # Pooling
//
// A *sql.DB pools already. Do not put a pool of connections into the guard
// beside it; bound it with SetMaxOpenConns, and let a [Stage] tell the guard
// when nothing is free.
//
// # What counts as failure
//
// [Outcome]: a row that is not there and a constraint that holds are answers of
// a healthy database.
//
// # Concurrency
//
// [DB], [Stage] and [Collector] are safe for concurrent use; [Rows], [Row] and
// [Tx] belong to one goroutine at a time, as those of database/sql do.
package sqlguard
