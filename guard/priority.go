package guard

import (
	"context"
	"fmt"
	"strings"
)

// Priority says which calls are refused first when memory is short. The zero
// value is unset: what stands behind it counts, in the end [Critical].
type Priority uint8

// The priorities, the most important first.
const (
	Critical   Priority = 1 + iota // what the service exists for
	Degraded                       // missed, but the service goes on
	BestEffort                     // nice to have
	Bulk                           // can be done at any time
)

var priorityNames = [...]string{"critical", "critical", "degraded", "best_effort", "bulk"}

// Valid reports whether p is one of the priorities or unset.
func (p Priority) Valid() bool { return int(p) < len(priorityNames) }

// String returns the name that configuration files use; "critical" if unset.
func (p Priority) String() string {
	if !p.Valid() {
		return fmt.Sprintf("priority(%d)", uint8(p))
	}
	return priorityNames[p]
}

// MarshalText implements [encoding.TextMarshaler].
func (p Priority) MarshalText() ([]byte, error) {
	if !p.Valid() {
		return nil, fmt.Errorf("priority %d is not one of %s", uint8(p), strings.Join(priorityNames[1:], ", "))
	}
	return []byte(p.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves p unchanged
// when the text names no priority.
func (p *Priority) UnmarshalText(text []byte) error {
	for i, name := range priorityNames[1:] {
		if name == string(text) {
			*p = Priority(i + 1)
			return nil
		}
	}
	return fmt.Errorf("%.40q is not a priority: use one of %s", text, strings.Join(priorityNames[1:], ", "))
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
