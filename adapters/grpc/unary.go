package grpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/elixirscope/foundation/guard"
)

// UnaryClientInterceptor puts g around every unary call of a connection. A refused
// call is not sent. The status decides the outcome, see [Outcome]; a caller that
// leaves is neutral. The guard's timeout becomes the call's deadline unless the
// caller's is earlier. Under a guard with [guard.Config.Retry], calls that [Idempotent] names
// are sent again after a failure; call options that are told of the end, as grpc.OnFinish, are
// told of the end of each attempt.
func UnaryClientInterceptor(g *guard.Guard, opts ...Option) grpc.UnaryClientInterceptor {
	o := collect(opts)
	again := o.again
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, callOpts ...grpc.CallOption,
	) error {
		return o.run(ctx, g, method, again, func(ctx context.Context) error {
			return invoke(ctx, method, req, reply, cc, callOpts...)
		})
	}
}

// UnaryServerInterceptor puts g around every unary method of a server. A refused
// call does not reach its handler. A panic of the handler is a failure and goes
// on.
func UnaryServerInterceptor(g *guard.Guard, opts ...Option) grpc.UnaryServerInterceptor {
	o := collect(opts)
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		var resp any
		err := o.run(ctx, g, info.FullMethod, once, func(ctx context.Context) (err error) {
			resp, err = handle(ctx, req)
			return err
		})
		return resp, err
	}
}

// run is one guarded unary call, in as many attempts as again grants.
func (o *options) run(
	ctx context.Context, g *guard.Guard, method string,
	again func(context.Context, *guard.Token, error) (bool, error), call func(context.Context) error,
) error {
	described := o.callOf(ctx, method)
	described.Lease = -1 // the token is closed below, however long the call takes
	tok, err := g.Enter(ctx, described)
	if err != nil {
		return StatusError(err)
	}
	defer tok.Close()
	for {
		more, last := again(ctx, tok, call(tok.Context()))
		if !more {
			return o.settle(tok, last)
		}
	}
}

// once grants no further attempt: a handler is not called twice.
func once(_ context.Context, _ *guard.Token, err error) (again bool, last error) { return false, err }
