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

type priorities struct{}

func (priorities) Names() (string, []string) {
	return "priority", []string{"critical", "normal", "best_effort", "bulk"}
}

// set returns p as a value of the set of names; an unset priority is [Normal].
func (p Priority) set() enum.Of[priorities] {
	return enum.Of[priorities](cmp.Or(p, Normal) - Critical)
}

// String returns the name that configuration files use; "normal" if unset.
func (p Priority) String() string { return p.set().String() }

// MarshalText implements [encoding.TextMarshaler].
func (p Priority) MarshalText() ([]byte, error) { return p.set().MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves p unchanged
// when the text names no priority.
func (p *Priority) UnmarshalText(text []byte) error {
	named := p.set()
	if err := named.UnmarshalText(text); err != nil {
		return err
	}
	*p = Priority(named) + Critical
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
