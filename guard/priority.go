package guard

import (
	"cmp"
	"context"

	"github.com/elixirscope/foundation/internal/enum"
)

// Priority says which calls are refused first when memory is short. The zero
// value is unset: what stands behind it counts, in the end [Normal].
type Priority uint8

// The priorities, the most important first.
const (
	Critical   Priority = 1 + iota // what the service exists for
	Normal                         // what most calls are
	BestEffort                     // nice to have
	Bulk                           // can be done at any time
)

var priorityNames = []string{"critical", "normal", "best_effort", "bulk"}

// set returns the place of p in the names; an unset priority is [Normal].
func (p Priority) set() Priority { return cmp.Or(p, Normal) - Critical }

// valid reports whether p is one of the priorities or unset.
func (p Priority) valid() bool { return int(p.set()) < len(priorityNames) }

// String returns the name that configuration files use; "normal" if unset.
func (p Priority) String() string { return enum.Name("priority", priorityNames, p.set()) }

// MarshalText implements [encoding.TextMarshaler].
func (p Priority) MarshalText() ([]byte, error) {
	return enum.Text("priority", priorityNames, p.set())
}

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves p unchanged
// when the text names no priority.
func (p *Priority) UnmarshalText(text []byte) error {
	var named Priority
	if err := enum.Parse("priority", priorityNames, text, &named); err != nil {
		return err
	}
	*p = named + Critical
	return nil
}

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
