package pool

import (
	"context"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Lease is the borrowing of one worker. It is a value; copies stand for the same
// borrowing, which ends with the first Release or Destroy of any of them. The
// zero Lease has ended. It may be ended from any goroutine.
type Lease[T any] struct {
	pool       *Pool[T]
	slot       *slot[T]
	generation uint64
}

// Acquire borrows a worker. It blocks, in the order of coming, until there is one,
// until checkout_timeout is over (pool_timeout), or until ctx is done: canceled, or
// pool_timeout if it was ctx's deadline. End the lease on every way out; prefer
// [Pool.With], which does.
func (p *Pool[T]) Acquire(ctx context.Context) (Lease[T], error) {
	return p.acquire(ctx, CheckoutOptions{At: clock.Now()})
}

// TryAcquire borrows a worker if that needs no other borrower to return one, and
// fails with pool_full otherwise. Where the pool has room it makes a worker and
// waits for that.
func (p *Pool[T]) TryAcquire(ctx context.Context) (Lease[T], error) {
	return p.acquire(ctx, CheckoutOptions{NoWait: true, At: clock.Now()})
}

func (p *Pool[T]) acquire(ctx context.Context, o CheckoutOptions) (Lease[T], error) {
	b, err := p.borrow(ctx, o)
	if err != nil {
		return Lease[T]{}, err
	}
	return Lease[T]{p, b.slot, b.generation}, nil
}

// Value returns the worker, the zero T for the zero Lease. It must not be used
// once the lease has ended.
func (l Lease[T]) Value() T {
	if l.pool == nil {
		var zero T
		return zero
	}
	return l.slot.value
}

// Release returns the worker for reuse. It reports false, and does nothing but
// count it, if the lease had ended already. It blocks only while the factory
// resets the worker.
func (l Lease[T]) Release() bool { return l.end(Reuse) }

// Suspect returns the worker like Release, to be checked before it is lent again.
// Use it when the operation failed in a way that may be the worker's fault.
func (l Lease[T]) Suspect() bool { return l.end(Suspect) }

// Destroy returns the worker as not fit for use: it is closed and replaced. It
// reports false if the lease had ended already. It does not wait for the closing.
func (l Lease[T]) Destroy() bool { return l.end(Destroy) }

func (l Lease[T]) end(f Fate) bool {
	return l.pool != nil && l.pool.giveBack(context.Background(), l.slot, l.generation, clock.Now(), f)
}

// With lends a worker to fn and returns what fn returns. If no worker can be had,
// fn does not run and the error is a *fault.Error, as for [Pool.Acquire].
//
// The worker goes back for reuse if fn returns nil. If fn returns an error, the
// worker is checked before it is lent again; if ctx is done by then, or fn panics
// or ends its goroutine, the worker may be in the middle of something and is
// closed and replaced. A panic goes on to the caller.
func (p *Pool[T]) With(ctx context.Context, fn func(ctx context.Context, worker T) error) (err error) {
	if fn == nil {
		return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: p.name, Message: "the function is nil"})
	}
	b, err := p.borrow(ctx, CheckoutOptions{At: clock.Now()})
	if err != nil {
		return err
	}
	f := Destroy
	panicked := true
	defer func() {
		now := clock.Now()
		p.giveBack(ctx, b.slot, b.generation, now, f)
		if p.topics.executed.Active() {
			p.topics.executed.Emit(ctx, TransactionExecuted{Pool: p.name, Duration: now.Sub(b.began), Err: err, Panicked: panicked})
		}
	}()
	err = fn(ctx, b.slot.value)
	panicked = false
	switch {
	case err == nil:
		f = Reuse
	case ctx.Err() == nil:
		f = Suspect
	}
	return err
}
