// Package pgstore keeps the records of the layer in PostgreSQL, where several
// processes may share them.
//
// # Usage
//
//	storage, err := pgstore.Open(ctx, "postgres://foundation@db/records", pgstore.Options{})
//	defer storage.Close()
//	stored, err := storage.Events().Append(ctx, eventstore.Event{Type: "deploy.started"})
//
// # What is durable
//
// Append returns when the server has committed. Where a role or a database has
// synchronous_commit=off, the transactions of this package turn it on; every other
// setting, as one for standbys, stays. Whether the server itself waits for its disk
// (fsync) is the operator's choice.
//
// # Order
//
// The counter of seq is a row that each transaction locks until it has committed, so
// that the numbers of all processes are in the order of their commits: a reader that
// follows a number misses nothing. Only one transaction of a schema writes at a time.
//
// # Group commit
//
// One goroutine, which the [Storage] owns, writes. It takes whatever waits into one
// transaction: a single appender pays for two round trips, and hundreds share them.
package pgstore
