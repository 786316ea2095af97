// Package outcome says how a call ended, as far as the dependency is concerned. It has a
// package of its own because breakers, guards and whoever judges calls speak of the same.
package outcome

import "github.com/elixirscope/foundation/internal/enum"

// Outcome is how a call ended. The zero value is [Success].
type Outcome = enum.Of[outcomes]

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

type outcomes struct{}

func (outcomes) Names() (string, []string) { return "outcome", names }

var names = []string{Success: "success", Failure: "failure", Ignored: "ignored"}
