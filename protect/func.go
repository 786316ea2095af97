package protect

import (
	"context"

	"github.com/elixirscope/foundation/guard"
)

// Func returns fn behind g: the result has the same type and is called the same
// way. A refused call returns the zero R and a *[fault.Error]; otherwise the
// error is fn's own. All calls share the rate limit's one bucket; see [FuncWith]
// for keys. Func panics if g or fn is nil.
func Func[A, R any](g *guard.Guard, fn func(context.Context, A) (R, error)) func(context.Context, A) (R, error) {
	return FuncWith(g, func(A) guard.Call { return guard.Call{} }, fn)
}

// FuncWith is [Func] with a description of each call, made of its argument: the
// key, the cost, the priority.
func FuncWith[A, R any](
	g *guard.Guard, describe func(A) guard.Call, fn func(context.Context, A) (R, error),
) func(context.Context, A) (R, error) {
	if g == nil || describe == nil || fn == nil {
		panic("protect: Func of a nil guard or function")
	}
	return func(ctx context.Context, arg A) (R, error) {
		return guard.Do(ctx, g, describe(arg), func(ctx context.Context) (R, error) { return fn(ctx, arg) })
	}
}
