package guard

import (
	"context"

	"github.com/elixirscope/foundation/priority"
)

// Priority says which calls are refused first when memory is short. The zero
// value is unset: what stands behind it counts, in the end [Normal].
type Priority = priority.Priority

// The priorities, the most important first.
const (
	Critical   = priority.Critical   // what the service exists for
	Normal     = priority.Normal     // what most calls are
	BestEffort = priority.BestEffort // nice to have
	Bulk       = priority.Bulk       // can be done at any time
)

type priorityKey struct{}

// WithPriority returns a context under which calls have priority p, unless they
// say otherwise themselves: set once where a request comes in, it holds for all
// that is done on its behalf.
func WithPriority(ctx context.Context, p Priority) context.Context {
	return context.WithValue(ctx, priorityKey{}, p)
}

// PriorityOf returns the priority that ctx carries; it is unset if there is none.
func PriorityOf(ctx context.Context) Priority {
	p, _ := ctx.Value(priorityKey{}).(Priority)
	return p
}

// priority is that of the call, over that of the context, over the guard's.
func (r *revision) priority(ctx context.Context, c *Call) Priority {
	if c.Priority != 0 {
		return c.Priority
	}
	if p := PriorityOf(ctx); p != 0 {
		return p
	}
	return r.config.Priority
}
