package foundation

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// PoolHandle is the pool of a name, with the type of its workers. It follows the
// name: after the pool was opened anew it lends workers of the new one. It is
// safe for concurrent use and costs nothing to keep.
type PoolHandle[T any] struct {
	f    *Foundation
	name string
}

// PoolOf returns the handle of the pool of a name, whose workers must be of type
// T; another type is refused with invalid_argument.
func PoolOf[T any](f *Foundation, name string) (PoolHandle[T], error) {
	h := PoolHandle[T]{f, name}
	_, err := h.Pool()
	return h, err
}

// Pool returns the pool of this moment.
func (h PoolHandle[T]) Pool() (*pool.Pool[T], error) {
	managed, err := h.f.Pool(h.name)
	if err != nil {
		return nil, err
	}
	p, ok := managed.(*pool.Pool[T])
	if !ok {
		return nil, fault.New(fault.Spec{
			Code: fault.InvalidArgument, Component: "connection_pool", Name: h.name,
			Message: fmt.Sprintf("its workers are of type %v, not %v", managed.WorkerType(), reflect.TypeFor[T]()),
		})
	}
	return p, nil
}

// With lends a worker to fn; see [pool.Pool.With].
func (h PoolHandle[T]) With(ctx context.Context, fn func(context.Context, T) error) error {
	ran := false
	once := func(ctx context.Context, worker T) error {
		ran = true
		return fn(ctx, worker)
	}
	if fn == nil {
		once = nil // the pool says what is wrong with it
	}
	for {
		p, err := h.Pool()
		if err != nil {
			return err
		}
		if err = p.With(ctx, once); ran || !h.replaced(p, err) {
			return err
		}
	}
}

// Acquire borrows a worker; see [pool.Pool.Acquire].
func (h PoolHandle[T]) Acquire(ctx context.Context) (pool.Lease[T], error) {
	return h.borrow(func(p *pool.Pool[T]) (pool.Lease[T], error) { return p.Acquire(ctx) })
}

// TryAcquire borrows a worker without waiting for another borrower; see
// [pool.Pool.TryAcquire].
func (h PoolHandle[T]) TryAcquire(ctx context.Context) (pool.Lease[T], error) {
	return h.borrow(func(p *pool.Pool[T]) (pool.Lease[T], error) { return p.TryAcquire(ctx) })
}

// borrow tries again when the pool was replaced between asking for it and
// borrowing from it.
func (h PoolHandle[T]) borrow(from func(*pool.Pool[T]) (pool.Lease[T], error)) (pool.Lease[T], error) {
	for {
		p, err := h.Pool()
		if err != nil {
			return pool.Lease[T]{}, err
		}
		lease, err := from(p)
		if !h.replaced(p, err) {
			return lease, err
		}
	}
}

// replaced reports whether err is that of a pool in whose place there is another
// by now.
func (h PoolHandle[T]) replaced(p *pool.Pool[T], err error) bool {
	if !errors.Is(err, fault.Closed) {
		return false
	}
	now, gone := h.Pool()
	return gone == nil && now != p
}
