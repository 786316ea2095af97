package groupcommit

import (
	"context"

	"github.com/elixirscope/foundation/fault"
)

// Component is the name under which faults of a storage are reported.
const Component = "storage"

// NewFault returns a fault of a storage.
func NewFault(code fault.Code, message string, cause error) error {
	return fault.New(fault.Spec{Code: code, Component: Component, Message: message, Cause: cause})
}

// Closed is the answer of a storage that is closed.
func Closed() error { return NewFault(fault.Closed, "the storage is closed", nil) }

// Canceled is the answer to a caller whose context has ended, or nil.
func Canceled(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return NewFault(fault.Canceled, "", context.Cause(ctx))
}
