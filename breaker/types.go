package breaker

import (
	"github.com/elixirscope/foundation/internal/enum"
)

// component names this kind of part in faults.
const component = "circuit_breaker"

// State is the state of a breaker. The zero value is closed.
type State uint8

// The states.
const (
	// StateClosed lets every call through and counts.
	StateClosed State = iota
	// StateOpen refuses every call.
	StateOpen
	// StateHalfOpen lets a few probes through and refuses the rest.
	StateHalfOpen
)

var stateNames = []string{StateClosed: "closed", StateOpen: "open", StateHalfOpen: "half-open"}

// String returns "closed", "open" or "half-open".
func (s State) String() string { return enum.Name("state", stateNames, s) }

// MarshalText implements [encoding.TextMarshaler].
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
