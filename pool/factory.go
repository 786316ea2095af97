package pool

import "context"

// Factory makes and ends the workers of a pool. Only New is required. The functions
// run outside every lock of the pool, for different workers at the same time, and
// may block.
type Factory[T any] struct {
	// New makes a worker. ctx ends with the pool and after create_timeout. It holds no
	// values of a borrower's: the worker may go to another one.
	New func(ctx context.Context) (T, error)
	// Check reports whether a worker is fit for use; ctx ends with the pool and after
	// check_timeout. Before a worker is lent it is the borrower's, bounded so. nil
	// means that a worker is always fit, and saves the pool all checks.
	Check func(ctx context.Context, worker T) error
	// Reset cleans a worker when it comes back, before anyone else gets it. An error
	// closes the worker. It runs in the goroutine of the borrower; ctx ends with the
	// pool and after check_timeout, and holds no values of the borrower's. nil means
	// that there is nothing to clean.
	Reset func(ctx context.Context, worker T) error
	// Close ends a worker. It is called exactly once for every worker, and until it
	// returns the worker counts against the size of the pool: bound it. nil means that
	// there is nothing to close.
	Close func(worker T)
}
