// Package pool lends workers: a bounded number of connections, clients or other
// things that are costly to make and serve one borrower at a time.
//
// # Usage
//
//	p, err := pool.New("orders", pool.Config{Size: 5, MaxOverflow: 2}, factory)
//	err = p.With(ctx, func(ctx context.Context, c *Conn) error { … })
//
// [Pool.With] is what most callers want: it returns the worker on every way out.
// [Pool.Acquire] gives a [Lease] for borrowings that do not fit one function, and
// [Pool.TryAcquire] does not wait for other borrowers. Guards use the type-free
// view, [Lender].
//
// # States
//
// The three words are those of Poolboy, whose counts the [Status] matches:
//
//	         all within size borrowed          all overflow borrowed
//	┌───────┐ ──────────────────────▶ ┌──────────┐ ───────────────▶ ┌──────┐
//	│ ready │                         │ overflow │                  │ full │
//	└───────┘ ◀────────────────────── └──────────┘ ◀─────────────── └──────┘
//	         a worker came back                a worker came back
//
// Beside them stands one flag, degraded: the last attempt to make a worker failed.
// The pool then tries again by itself, one attempt at a time, with pauses that
// double and vary. Workers that exist are still lent; once there is none, borrowers
// are refused with worker_failed at once, until an attempt succeeds.
//
// # Concurrency
//
// Everything is safe for concurrent use. Waiters are served in the order of their
// coming. The pool never calls its factory or an event handler under its lock.
// Goroutines exist only while a worker is being made, closed or looked after;
// [Pool.Close] waits for them.
//
// # Errors
//
// Refusals are *fault.Error values of code pool_full, pool_timeout, worker_failed,
// canceled or closed. An error of a function given to [Pool.With] is returned as
// it is.
//
// # What is not promised
//
// A factory that ignores its context keeps its place in the pool until it returns.
// The pool does not notice a worker that dies while it is idle before the next
// check: see [Config.CheckInterval].
package pool
