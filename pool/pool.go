package pool

import (
	"context"
	"reflect"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/clock"
	"github.com/elixirscope/foundation/telemetry"
)

// Pool lends workers of type T. Make one with [New].
type Pool[T any] struct{ name string }

var _ Managed = (*Pool[int])(nil)

var _ Clocked = (*Pool[int])(nil)

// New returns a pool of workers that f makes.
func New[T any](name string, cfg Config, f Factory[T], opts ...Option) (*Pool[T], error) {
	return &Pool[T]{name}, cfg.Validate()
}

// Lease is the borrowing of one worker.
type Lease[T any] struct{ v T }

// Value returns the worker.
func (l Lease[T]) Value() T { return l.v }

// Release returns the worker; false if the lease had ended already.
func (l Lease[T]) Release() bool { return false }

// Destroy returns the worker as not fit for use; false if the lease had ended already.
func (l Lease[T]) Destroy() bool { return false }

func (p *Pool[T]) unfinished() error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: component, Name: p.name})
}

// With lends a worker to fn.
func (p *Pool[T]) With(ctx context.Context, fn func(context.Context, T) error) error {
	return p.unfinished()
}

// Acquire borrows a worker.
func (p *Pool[T]) Acquire(ctx context.Context) (Lease[T], error) { return Lease[T]{}, p.unfinished() }

// TryAcquire borrows a worker without waiting for other borrowers.
func (p *Pool[T]) TryAcquire(ctx context.Context) (Lease[T], error) {
	return Lease[T]{}, p.unfinished()
}

// Name implements [Stage].
func (p *Pool[T]) Name() string { return p.name }

// Checkout implements [Stage].
func (p *Pool[T]) Checkout(ctx context.Context, o CheckoutOptions) (Loan, error) {
	return Loan{}, p.unfinished()
}

// CheckoutAt implements [Clocked].
func (p *Pool[T]) CheckoutAt(ctx context.Context, now clock.Instant, o CheckoutOptions) (Loan, error) {
	return Loan{}, p.unfinished()
}

// Checkin implements [Stage].
func (p *Pool[T]) Checkin(Loan) {}

// CheckinAt implements [Clocked].
func (p *Pool[T]) CheckinAt(clock.Instant, Loan) {}

// Discard implements [Stage].
func (p *Pool[T]) Discard(Loan) {}

// DiscardAt implements [Clocked].
func (p *Pool[T]) DiscardAt(clock.Instant, Loan) {}

// Degraded implements [Stage].
func (p *Pool[T]) Degraded() error { return nil }

// Stats implements [Stage].
func (p *Pool[T]) Stats() Stats { return Stats{} }

// WorkerType implements [Stage].
func (p *Pool[T]) WorkerType() reflect.Type { return reflect.TypeFor[T]() }

// Config implements [Managed].
func (p *Pool[T]) Config() Config { return Config{} }

// Reconfigure implements [Managed].
func (p *Pool[T]) Reconfigure(cfg Config) error { return nil }

// Status implements [Managed].
func (p *Pool[T]) Status() Status { return Status{} }

// Close implements [Managed].
func (p *Pool[T]) Close(ctx context.Context) error { return nil }

// Collect implements [telemetry.Source].
func (p *Pool[T]) Collect(emit func(telemetry.Sample)) {}
