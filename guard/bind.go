package guard

import (
	"context"
	"fmt"
	"reflect"

	"github.com/elixirscope/foundation/fault"
)

// Bound is a guard whose pool lends workers of type W. It is a value; make it
// once with [Bind].
type Bound[W any] struct {
	guard *Guard
}

// Guard returns the guard that b is bound to, nil for the zero Bound.
func (b Bound[W]) Guard() *Guard { return b.guard }

// Bind checks that the pool of g lends workers of type W, which may be an
// interface that they implement. If it does not, or g has no pool, Bind fails
// with [fault.InvalidArgument].
func Bind[W any](g *Guard) (Bound[W], error) {
	stage := g.revision.Load().config.Pool
	if stage == nil {
		return Bound[W]{}, g.invalid("the guard has no pool: use Do, or configure one")
	}
	have, want := stage.WorkerType(), reflect.TypeFor[W]()
	if have != want && (have == nil || want.Kind() != reflect.Interface || !have.Implements(want)) {
		return Bound[W]{}, g.wrongWorker(have, want)
	}
	return Bound[W]{g}, nil
}

func (g *Guard) wrongWorker(have, want reflect.Type) error {
	return fault.New(fault.Spec{
		Code: fault.InvalidArgument, Component: component, Name: g.name,
		Message: fmt.Sprintf("the pool lends workers of type %v, not %v", have, want),
	})
}

// DoWith calls fn with a worker of the guard's pool; see [Guard.Do] for all else.
//
// The worker goes back for reuse if fn returns nil. If fn returns an error the
// worker is checked before it is lent again; if the time ran out or the caller
// gave up by then, or fn panics or ends its goroutine, it may be in the middle of
// something and is closed and replaced.
func DoWith[W, R any](ctx context.Context, b Bound[W], call Call, fn func(context.Context, W) (R, error)) (R, error) {
	var result R
	if fn == nil {
		return result, b.guard.invalid("the function is nil")
	}
	var worker any
	err := b.guard.run(ctx, &call, &worker, nil, func(ctx context.Context) error {
		w, err := workerOf[W](b.guard, worker)
		if err == nil {
			result, err = fn(ctx, w)
		}
		return err
	})
	return result, err
}

// workerOf is the worker as a W. It is not one if the guard was reconfigured
// since Bind to a pool of something else.
func workerOf[W any](g *Guard, worker any) (W, error) {
	w, ok := worker.(W)
	if !ok {
		return w, g.wrongWorker(reflect.TypeOf(worker), reflect.TypeFor[W]())
	}
	return w, nil
}
