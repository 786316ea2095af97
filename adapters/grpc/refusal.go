package grpc

import (
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/protect"
)

// refusal is a fault that is also a gRPC status, so that callers may ask for
// either: errors.Is(err, fault.CircuitOpen), or status.Code(err).
type refusal struct {
	fault  *fault.Error
	status *status.Status
}

// Error implements error with the fault's text, which names the part: it is for
// this side. The other side sees the status only.
func (r *refusal) Error() string { return r.fault.Error() }

// Unwrap returns the fault.
func (r *refusal) Unwrap() error { return r.fault }

// GRPCStatus is what [status.FromError] looks for.
func (r *refusal) GRPCStatus() *status.Status { return r.status }

// StatusError gives a fault in err's chain the gRPC status that its code maps to,
// with a RetryInfo detail if it is known when to try again. The status carries
// the code's title and no name and no evidence: those stay with us. A call whose
// deadline had passed before it began is DeadlineExceeded, not Canceled, as gRPC has
// it and [protect.WriteRefusal]. Errors without a fault, those that have a status
// already, and those that join a refusal with a failure, come back as they are.
func StatusError(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || fault.IsRefusal(f) && !fault.IsRefusal(err) {
		return err
	}
	if _, has := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); has {
		return err
	}
	return &refusal{fault: f, status: statusOf(f)}
}

func statusOf(f *fault.Error) *status.Status {
	code := protect.RefusalCode(f)
	s := status.New(codes.Code(code.GRPCCode()), code.Title())
	after := f.RetryAfter()
	if after <= 0 {
		return s
	}
	detailed, err := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if err != nil {
		return s // a hint that can't be packed must not cost the answer
	}
	return detailed
}
