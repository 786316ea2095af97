package outcome_test

import (
	"testing"

	"github.com/elixirscope/foundation/outcome"
)

func TestNames(t *testing.T) {
	for o, want := range map[outcome.Outcome]string{outcome.Success: "success", outcome.Failure: "failure", outcome.Ignored: "ignored"} {
		text, err := o.MarshalText()
		if err != nil || string(text) != want || o.String() != want {
			t.Errorf("%d is %q, %q, %v", o, o, text, err)
		}
	}
	if text, err := outcome.Outcome(3).MarshalText(); err != nil || string(text) != "outcome(3)" {
		t.Errorf("what is no outcome is %q, %v", text, err)
	}
}
