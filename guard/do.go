package guard

import (
	"context"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
)

// Do calls fn unless a protection refuses, and returns fn's error as it is: see
// the package's documentation for errors and outcomes. It blocks as long as fn
// does and allocates nothing by itself, but for the deadline of a time limit.
//
// A guard with a pool refuses Do: see [Bind].
func (g *Guard) Do(ctx context.Context, fn func(context.Context) error) error {
	if fn == nil {
		return g.invalid("the function is nil")
	}
	var call Call
	return g.run(ctx, &call, nil, nil, fn)
}

// DoCall is [Guard.Do] with a description of the call.
func (g *Guard) DoCall(ctx context.Context, call Call, fn func(context.Context) error) error {
	if fn == nil {
		return g.invalid("the function is nil")
	}
	return g.run(ctx, &call, nil, nil, fn)
}

// Do is [Guard.DoCall] for a function with a result. A refused call returns the
// zero T; else the result is fn's own, also beside an error.
func Do[T any](ctx context.Context, g *Guard, call Call, fn func(context.Context) (T, error)) (T, error) {
	var result T
	if fn == nil {
		return result, g.invalid("the function is nil")
	}
	err := g.run(ctx, &call, nil, nil, func(ctx context.Context) (err error) {
		result, err = fn(ctx)
		return err
	})
	return result, err
}

// Op is a guarded operation whose result matters to the guard. It is a value,
// made once and used for many calls.
type Op[T any] struct {
	// Guard protects the operation.
	Guard *Guard
	// Classify judges the end of a call by its result and error, so that an answer
	// can be bad though its error is nil. As [Config.Classify], which it replaces,
	// it is not asked about time limits, the caller's doing and refusals. nil means
	// the guard's judgement.
	Classify func(T, error) outcome.Outcome
	// Fallback gives the answer of a call that was refused or failed, unless the
	// caller has gone. It runs outside the guard; err is what Do would have returned,
	// or [fault.OperationFailed] where Classify found a result without an error bad.
	// nil means none.
	Fallback func(ctx context.Context, err error) (T, error)
}

// Do makes one call of the operation; see [Guard.Do].
func (o Op[T]) Do(ctx context.Context, call Call, fn func(context.Context) (T, error)) (T, error) {
	var result T
	if fn == nil {
		return result, o.Guard.invalid("the function is nil")
	}
	bad := false
	op := func(ctx context.Context) (err error) {
		result, err = fn(ctx)
		return err
	}
	var err error
	if o.Classify == nil {
		err = o.Guard.run(ctx, &call, nil, nil, op)
	} else {
		err = o.Guard.run(ctx, &call, nil, func(err error) outcome.Outcome {
			end := o.Classify(result, err)
			bad = end == outcome.Failure
			return end
		}, op)
	}
	if o.Fallback == nil || err == nil && !bad || ctx.Err() != nil {
		return result, err
	}
	if err == nil {
		err = o.Guard.badResult()
	}
	return o.Fallback(ctx, err)
}

func (g *Guard) badResult() error {
	return fault.New(fault.Spec{
		Code: fault.OperationFailed, Component: component, Name: g.name, Message: "the result counts as a failure",
	})
}
