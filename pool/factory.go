package pool

import (
	"context"
	"reflect"
)

// Factory makes and ends the workers of a pool. Its methods run outside every
// lock of the pool, for different workers at the same time, and may block.
type Factory[T any] interface {
	// New makes a worker. ctx ends with the pool and after create_timeout. It holds no
	// values of a borrower's: the worker may go to another one.
	New(ctx context.Context) (T, error)
	// Check reports whether a worker is fit for use; ctx ends with the pool and after
	// check_timeout. Before a worker is lent it is the borrower's, bounded so.
	Check(ctx context.Context, worker T) error
	// Close ends a worker. It is called exactly once for every worker, and until it
	// returns the worker counts against the size of the pool: bound it.
	Close(worker T)
}

// Resetter is a [Factory] that cleans a worker when it comes back, before anyone
// else gets it. An error closes the worker. It runs in the goroutine of the
// borrower; ctx ends with the pool and after check_timeout, and holds no values of
// the borrower's.
type Resetter[T any] interface {
	Reset(ctx context.Context, worker T) error
}

// Funcs makes a [Factory] of functions. Only Make is required.
type Funcs[T any] struct {
	// Make makes a worker.
	Make func(ctx context.Context) (T, error)
	// Test reports whether a worker is fit for use; nil means that it always is, and
	// saves the pool all checks.
	Test func(ctx context.Context, worker T) error
	// Clean resets a worker that comes back; nil means that there is nothing to do.
	Clean func(ctx context.Context, worker T) error
	// End closes a worker; nil means that there is nothing to close.
	End func(worker T)
}

// New implements [Factory].
func (f Funcs[T]) New(ctx context.Context) (T, error) { return f.Make(ctx) }

// Check implements [Factory].
func (f Funcs[T]) Check(ctx context.Context, worker T) error {
	if f.Test == nil {
		return nil
	}
	return f.Test(ctx, worker)
}

// Reset implements [Resetter].
func (f Funcs[T]) Reset(ctx context.Context, worker T) error {
	if f.Clean == nil {
		return nil
	}
	return f.Clean(ctx, worker)
}

// Close implements [Factory].
func (f Funcs[T]) Close(worker T) {
	if f.End != nil {
		f.End(worker)
	}
}

// abilities says which calls to the factory the pool can do without.
func abilities[T any](f Factory[T]) (checks bool, resetter Resetter[T], usable bool) {
	if v := reflect.ValueOf(f); f == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return false, nil, false
	}
	switch f := f.(type) {
	case *Funcs[T]:
		return abilities[T](*f)
	case Funcs[T]:
		if f.Clean != nil {
			resetter = f
		}
		return f.Test != nil, resetter, f.Make != nil
	}
	resetter, _ = f.(Resetter[T])
	return true, resetter, true
}
