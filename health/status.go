package health

import "github.com/elixirscope/foundation/internal/enum"

// Status says how a component is. The zero value is Unknown.
type Status = enum.Of[statuses]

// The statuses, from the least to the most severe but for Unknown, which says nothing.
const (
	Unknown Status = iota // there is no result, or none that is recent enough
	Pass
	Warn
	Fail
)

type statuses struct{}

func (statuses) Names() (string, []string) { return "status", statusNames }

var statusNames = []string{"unknown", "pass", "warn", "fail"}

// Criticality says what the failure of a component does to the whole.
type Criticality = enum.Of[criticalities]

// The criticalities. The zero value is Soft.
const (
	Soft     Criticality = iota // its failure is a warning of the whole
	Hard                        // its failure is that of the whole
	Optional                    // its failure is shown and does not change the status of the whole
)

type criticalities struct{}

func (criticalities) Names() (string, []string) { return "criticality", criticalityNames }

var criticalityNames = []string{"soft", "hard", "optional"}

// Outcome is how one run of a check ended.
type Outcome = enum.Of[outcomes]

// The outcomes. The zero value is that of a check that has not run.
const (
	NotRun   Outcome = iota
	Passed           // it returned nil
	Warned           // it returned a [Warning]
	Failed           // it returned another error
	Panicked         // it panicked
	Exited           // it ended its goroutine
	TimedOut         // it returned, or was seen to return, after its timeout
	Hung             // it has ignored the end of its context and has not returned
)

type outcomes struct{}

func (outcomes) Names() (string, []string) { return "outcome", outcomeNames }

var outcomeNames = []string{"not_run", "passed", "warned", "failed", "panicked", "exited", "timed_out", "hung"}

func statusAfter(o Outcome) Status {
	switch o {
	case NotRun:
		return Unknown
	case Passed:
		return Pass
	case Warned:
		return Warn
	default:
		return Fail
	}
}
