package grpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/errtree"
	"github.com/elixirscope/foundation/outcome"
)

// CodeOutcome says what a gRPC code means for the health of who sent it:
//
//	Unavailable, DeadlineExceeded, Internal, Unknown, DataLoss   failure
//	Canceled, Aborted, ResourceExhausted                         ignored: the caller left, lost a race, or met a limit
//	every other code                                             success: the server answered, also when it answered no
//
// ResourceExhausted is what 429 is in HTTP, and what a server answers to a message
// that is too large: whoever calls can have it at will.
func CodeOutcome(code codes.Code) outcome.Outcome {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.DataLoss:
		return outcome.Failure
	case codes.Canceled, codes.Aborted, codes.ResourceExhausted:
		return outcome.Ignored
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.Unauthenticated:
		return outcome.Success
	default:
		return outcome.Failure // a code that does not exist is a broken peer
	}
}

// Outcome is [CodeOutcome] of the status that err carries. A refusal by a guard
// further in is ignored, as is context.Canceled; an error without a status is a
// failure, as gRPC makes it Unknown. Of an error that joins several, as errors.Join
// makes, each is judged, and a failure wins over a success, which wins over what is
// ignored.
func Outcome(err error) outcome.Outcome {
	return errtree.Worst(err, outcomeOf, outcome.Failure, outcome.Success, outcome.Ignored)
}

func outcomeOf(err error) outcome.Outcome {
	if fault.IsRefusal(err) || errors.Is(err, context.Canceled) {
		return outcome.Ignored
	}
	return CodeOutcome(status.Code(err))
}
