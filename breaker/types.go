package breaker

import (
	"github.com/elixirscope/foundation/internal/enum"
)

// component names this kind of part in faults.
const component = "circuit_breaker"

// State is the state of a breaker. The zero value is closed.
type State = enum.Of[states]

// The states.
const (
	// StateClosed lets every call through and counts.
	StateClosed State = iota
	// StateOpen refuses every call.
	StateOpen
	// StateHalfOpen lets a few probes through and refuses the rest.
	StateHalfOpen
)

type states struct{}

func (states) Names() (string, []string) { return "state", stateNames }

var stateNames = []string{StateClosed: "closed", StateOpen: "open", StateHalfOpen: "half-open"}
