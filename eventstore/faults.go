package eventstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/elixirscope/foundation/fault"
)

// maxProblems bounds the text of one fault: a batch can hold many thousands.
const maxProblems = 50

// invalid returns an invalid_argument fault of the problems, or nil.
func invalid(ps fault.Problems, message string) error {
	return refused(fault.InvalidArgument, ps, message)
}

// Exists returns the already_exists fault of a batch whose events at the given
// places have an ID that is stored already, or nil if there is none such. It is there
// for implementations of [Store].
func Exists(events []Event, places ...int) error {
	var ps fault.Problems
	for _, i := range places {
		ps.Add(field(i, "id"), quote(events[i].ID), "is stored already")
	}
	return refused(fault.AlreadyExists, ps, "the batch holds an event that is stored already; none of it was stored")
}

func refused(code fault.Code, ps fault.Problems, message string) error {
	if len(ps) == 0 {
		return nil
	}
	if n := len(ps); n > maxProblems {
		ps = append(ps[:maxProblems:maxProblems], fault.Problem{Message: fmt.Sprintf("and %d more", n-maxProblems)})
	}
	return fault.New(fault.Spec{Code: code, Component: component, Message: message, Problems: ps})
}

func canceled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.Canceled, Component: component, Cause: context.Cause(ctx)})
}

func closed() error {
	return fault.New(fault.Spec{Code: fault.Closed, Component: component, Message: "the event store is closed"})
}

func asSyntax(err error) (*json.SyntaxError, bool) { return errors.AsType[*json.SyntaxError](err) }
