// Package priority says which calls are refused first when memory is short. It has a
// package of its own because guards and the memory manager speak of the same.
package priority

import (
	"cmp"

	"github.com/elixirscope/foundation/internal/enum"
)

// Priority is how much a call matters. The zero value is unset: what stands behind it
// counts, in the end [Normal].
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

// Valid reports whether p is one of the priorities or unset.
func (p Priority) Valid() bool { return p.set().Known() }

// String returns the name that configuration files use; "normal" if unset.
func (p Priority) String() string { return p.set().String() }

// MarshalText implements [encoding.TextMarshaler].
func (p Priority) MarshalText() ([]byte, error) { return p.set().MarshalText() }

// UnmarshalText implements [encoding.TextUnmarshaler]; it leaves p unchanged when the
// text names no priority.
func (p *Priority) UnmarshalText(text []byte) error {
	named := p.set()
	if err := named.UnmarshalText(text); err != nil {
		return err
	}
	*p = Priority(named) + Critical
	return nil
}
