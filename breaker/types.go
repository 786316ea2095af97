package breaker

import (
	"github.com/elixirscope/foundation/internal/enum"
	"github.com/elixirscope/foundation/internal/mode"
)

// component names this kind of part in faults.
const component = "circuit_breaker"

// Mode says whether a breaker refuses ([Enforce]), only counts what it would
// refuse ([Shadow]), or does nothing ([Off]). The zero value enforces.
type Mode = mode.Mode

// The modes.
const (
	Enforce = mode.Enforce
	Shadow  = mode.Shadow
	Off     = mode.Off
)

// Outcome is how a call ended, as far as the dependency is concerned.
type Outcome uint8

// The outcomes.
const (
	// Success says that the dependency answered as it should.
	Success Outcome = iota
	// Failure says that the dependency is to blame.
	Failure
	// Ignored says nothing about the dependency: the caller gave up, or another
	// protection refused. It is neither counted nor does it reset anything; a
	// probe that ends so gives its place back.
	Ignored
)

var outcomeNames = []string{Success: "success", Failure: "failure", Ignored: "ignored"}

// String returns "success", "failure" or "ignored".
func (o Outcome) String() string { return enum.Name("outcome", outcomeNames, o) }

// MarshalText implements [encoding.TextMarshaler].
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

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
