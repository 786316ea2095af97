package grpc

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// settle tells the guard how a call ended and returns the error for the caller.
// Whose deadline or leaving ended it is the guard's to judge: it knows its own.
func (o *options) settle(tok *guard.Token, err error) error {
	if guard.IsNeutral(err) {
		tok.Done(err)
		return err
	}
	ctx := tok.Context()
	awaitOwnDeadline(ctx, err)
	if err == nil || ctx.Err() == nil || !endedByContext(err) {
		tok.Settle(o.outcome(err), err)
		tok.Close()
		return err
	}
	cause := context.Cause(ctx) // before Done, which ends the context
	why := &interrupted{ctx.Err(), err}
	tok.Done(why)
	if limit, ok := errors.AsType[*fault.Error](cause); ok && limit.Code() == fault.CallTimeout {
		return StatusError(fault.New(fault.Spec{
			Code: fault.CallTimeout, Component: limit.Component(), Name: limit.Name(), Evidence: limit.Evidence(), Cause: why,
		}))
	}
	return err
}

// slack is how much earlier than our timer the server's may fire, which has our
// deadline from the request.
const slack = 50 * time.Millisecond

// awaitOwnDeadline waits out the moment between the server's word that the
// deadline has passed and our context's, so that the deadline is known to be ours.
func awaitOwnDeadline(ctx context.Context, err error) {
	if err == nil || status.Code(err) != codes.DeadlineExceeded {
		return
	}
	if at, ok := ctx.Deadline(); ok && time.Until(at) <= slack {
		<-ctx.Done()
	}
}

// interrupted is a call's error and the reason that its status does not name. It
// reads as the call's.
type interrupted struct{ reason, err error }

// Error implements error.
func (i *interrupted) Error() string { return i.err.Error() }

// Unwrap returns both.
func (i *interrupted) Unwrap() []error { return []error{i.reason, i.err} }

// endedByContext reports whether err says that the context ended the call.
func endedByContext(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	code := status.Code(err)
	return code == codes.Canceled || code == codes.DeadlineExceeded
}
