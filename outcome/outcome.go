// Package outcome says how a call ended, as far as the dependency is concerned. It has a
// package of its own because breakers, guards and whoever judges calls speak of the same.
package outcome

import "github.com/elixirscope/foundation/internal/enum"

// Outcome is how a call ended. The zero value is [Success].
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

var names = []string{Success: "success", Failure: "failure", Ignored: "ignored"}

// String returns "success", "failure" or "ignored".
func (o Outcome) String() string { return enum.Name("outcome", names, o) }

// MarshalText implements [encoding.TextMarshaler]. It never fails: outcomes are written into
// records, and are read from nothing.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
