package pool

import (
	"context"
	"fmt"

	"github.com/elixirscope/foundation/fault"
)

// KindOf returns a [Kind] of workers of type T whose options are the struct O:
// factory turns options into a factory. If *O has a method Validate() error, Open
// refuses options that it refuses.
func KindOf[T, O any](factory func(O) (Factory[T], error)) Kind {
	return kind[T, O]{factory}
}

type kind[T, O any] struct {
	factory func(O) (Factory[T], error)
}

func (kind[T, O]) NewOptions() any { return new(O) }

func (k kind[T, O]) Open(ctx context.Context, name string, cfg Config, options any, opts ...Option) (Managed, error) {
	o, ok := options.(*O)
	switch {
	case !ok:
		return nil, unusable(name, "the options are a %T and not the %T that NewOptions returned", options, o)
	case o == nil:
		return nil, unusable(name, "the options are a nil %T: take what NewOptions returned", options)
	case k.factory == nil:
		return nil, unusable(name, "the kind of worker was made with a nil function")
	}
	if v, ok := options.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	f, err := k.factory(*o)
	if err != nil {
		return nil, err
	}
	p, err := open(ctx, name, cfg, f, opts...)
	if err != nil {
		return nil, err // and not p: a nil *Pool in an interface is not nil
	}
	return p, nil
}

func unusable(name, format string, args ...any) error {
	return fault.New(fault.Spec{Code: fault.InvalidArgument, Component: component, Name: name, Message: fmt.Sprintf(format, args...)})
}
