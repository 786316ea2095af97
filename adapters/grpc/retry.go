package grpc

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/retry"
)

// Idempotent names the methods that do no harm if they are called twice, as in
// "/shop.Orders/Get", or "/shop.Orders/" for all of a service. A guard with
// [guard.Config.Retry] calls such a unary method again after a failure. It is for clients;
// streams and servers call everything once.
func Idempotent(methods ...string) Option {
	return IdempotentBy(func(_ context.Context, method string) bool {
		service := method[:strings.LastIndexByte(method, '/')+1]
		return slices.Contains(methods, method) || slices.Contains(methods, service)
	})
}

// IdempotentBy is [Idempotent] for a function that knows which calls may be made twice. It must
// be safe for concurrent use.
func IdempotentBy(fn func(ctx context.Context, method string) bool) Option {
	return func(o *options) { o.idempotent = fn }
}

// again asks the guard for another attempt after one that returned err.
func (o *options) again(ctx context.Context, tok *guard.Token, err error) (again bool, last error) {
	if err == nil || guard.IsNeutral(err) {
		return false, err
	}
	limited := tok.Context()
	awaitOwnDeadline(limited, err)
	if ctx.Err() != nil {
		return false, err
	}
	how := outcome.Failure
	if !errors.Is(context.Cause(limited), fault.CallTimeout) {
		how = o.outcome(err)
	}
	s, ok := status.FromError(err)
	if !ok {
		return tok.Retry(ctx, how, err)
	}
	if again, last = tok.Retry(ctx, how, pushedBack(s, err)); again {
		return true, nil
	}
	if retry.IsFinal(last) && !retry.IsFinal(err) {
		return false, &marked{last, s}
	}
	return false, err
}

// pushedBack is err with the time that its server asks to wait, if it does.
func pushedBack(s *status.Status, err error) error {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return retry.After(err, info.GetRetryDelay().AsDuration())
		}
	}
	return err
}

// marked is the error of a call that was retried in vain. Its status is that of the last
// attempt: package status would change the message of one that is wrapped.
type marked struct {
	error
	status *status.Status
}

// Unwrap returns the error of the last attempt, with its mark.
func (m *marked) Unwrap() error { return m.error }

// GRPCStatus is what [status.FromError] looks for.
func (m *marked) GRPCStatus() *status.Status { return m.status }
