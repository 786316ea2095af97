package grpc

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
)

// CodeOutcome says what a gRPC code means for the health of who sent it:
//
//	Unavailable, DeadlineExceeded, Internal, Unknown, DataLoss   failure
//	Canceled, Aborted, ResourceExhausted                         ignored: the caller left, lost a race, or met a limit
//	every other code                                             success: the server answered, also when it answered no
//
// ResourceExhausted is what 429 is in HTTP, and what a server answers to a message
// that is too large: whoever calls can have it at will.
func CodeOutcome(code codes.Code) breaker.Outcome {
	switch code {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.DataLoss:
		return breaker.Failure
	case codes.Canceled, codes.Aborted, codes.ResourceExhausted:
		return breaker.Ignored
	case codes.OK, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.Unauthenticated:
		return breaker.Success
	default:
		return breaker.Failure // a code that does not exist is a broken peer
	}
}

// Outcome is [CodeOutcome] of the status that err carries. A refusal by a guard
// further in is ignored, as is context.Canceled; an error without a status is a
// failure, as gRPC makes it Unknown.
func Outcome(err error) breaker.Outcome {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code().Refusal() && f.Code() != fault.WorkerFailed {
		return breaker.Ignored
	}
	if errors.Is(err, context.Canceled) {
		return breaker.Ignored
	}
	return CodeOutcome(status.Code(err))
}
