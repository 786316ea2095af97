package protect

import (
	"context"
	"net/http"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
)

// InstrumentHandler is [Handler] that measures only: rec is told of every request
// as of a guard of that name, judged by the same tables, and nothing is refused
// or limited in time. It returns an error if the name is not valid.
func InstrumentHandler(next http.Handler, name string, rec guard.Recorder, opts ...Option) (http.Handler, error) {
	g, err := observer(name, rec)
	if err != nil {
		return nil, err
	}
	return &handler{next: next, guard: g, measures: true, options: collect(opts)}, nil
}

// InstrumentTransport is [Transport] that measures only: rec is told of every
// request as of a guard of that name, judged by the same tables, and nothing is
// refused or limited in time. It returns an error if the name is not valid.
func InstrumentTransport(base http.RoundTripper, name string, rec guard.Recorder, opts ...Option) (http.RoundTripper, error) {
	g, err := observer(name, rec)
	if err != nil {
		return nil, err
	}
	if base == nil {
		base = http.DefaultTransport
	}
	return &transport{base: base, guard: g, measures: true, options: collect(opts)}, nil
}

// InstrumentFunc is [Func] that measures only: rec is told of every call as of a
// guard of that name, and nothing is refused. It returns an error if the name is
// not valid, and panics if fn is nil.
func InstrumentFunc[A, R any](
	name string, rec guard.Recorder, fn func(context.Context, A) (R, error),
) (func(context.Context, A) (R, error), error) {
	g, err := observer(name, rec)
	if err != nil {
		return nil, err
	}
	measured := Func(g, fn)
	return func(ctx context.Context, arg A) (R, error) {
		if ctx.Err() != nil { // a guard would not begin it, and fn may have something to say
			return fn(ctx, arg)
		}
		return measured(ctx, arg)
	}, nil
}

// observer is a guard that judges and records and does nothing else. A call
// whose context is done at its entry is not recorded: nothing will come of it.
func observer(name string, rec guard.Recorder) (*guard.Guard, error) {
	return guard.New(name, guard.Config{Recorder: rec, Mode: mode.Off})
}
