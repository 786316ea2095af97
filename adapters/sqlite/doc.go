// Package sqlite keeps the records of the layer in one SQLite database on the local
// disk: without a server, and without C.
//
// # Usage
//
//	storage, err := sqlite.Open(ctx, "./foundation-data", sqlite.Options{})
//	defer storage.Close()
//	stored, err := storage.Events().Append(ctx, eventstore.Event{Type: "deploy.started"})
//
// # What is durable
//
// Append returns when its events are in the write-ahead log and the operating system
// has reported the log to be on the disk (journal_mode=WAL, synchronous=FULL). They
// survive the end of the process at any moment, and that of the machine if the disk
// keeps what it acknowledges.
//
// # Group commit
//
// One goroutine, which the [Storage] owns, writes. It takes whatever waits into one
// transaction, without waiting for more: a single appender pays for one commit, and
// hundreds share one.
//
// # Exclusive use
//
// A directory belongs to one process at a time. The lock ends with the process,
// however it ends.
package sqlite
