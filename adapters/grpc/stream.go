package grpc

import (
	"context"
	"errors"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/elixirscope/foundation/guard"
)

// StreamServerInterceptor puts g around every streaming method of a server. The
// call lasts, and keeps its place, until the handler returns; the guard's timeout
// does not bound it.
func StreamServerInterceptor(g *guard.Guard, opts ...Option) grpc.StreamServerInterceptor {
	o := collect(opts)
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		tok, err := g.Enter(stream.Context(), o.streamOf(stream.Context(), info.FullMethod))
		if err != nil {
			return StatusError(err)
		}
		defer tok.Close()
		tok.Answered() // no time limit bounds a stream, so shadow mode is not to report one
		return o.settle(tok, handle(srv, stream))
	}
}

// StreamClientInterceptor puts g around every stream of a connection. The call
// lasts until RecvMsg has met the stream's end, which a caller must wait for or
// cancel the context, as gRPC asks anyway; its outcome is that of the end. The
// guard's timeout does not bound it.
func StreamClientInterceptor(g *guard.Guard, opts ...Option) grpc.StreamClientInterceptor {
	o := collect(opts)
	return func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, callOpts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		tok, err := g.Enter(ctx, o.streamOf(ctx, method))
		if err != nil {
			return nil, StatusError(err)
		}
		tok.Answered() // as above
		s := &clientStream{options: &o, token: tok, single: !desc.ServerStreams}
		defer s.abandon()
		s.ClientStream, err = open(s.token.Context(), desc, cc, method, callOpts...)
		if err != nil {
			return nil, s.end(err)
		}
		s.handedOver = true
		s.unwatch = context.AfterFunc(ctx, func() { s.left(ctx.Err()) })
		return s, nil
	}
}

func (o *options) streamOf(ctx context.Context, method string) guard.Call {
	call := o.callOf(ctx, method)
	call.Untimed, call.Lease = true, -1 // the end of the stream, or of its context, closes the token
	return call
}

// clientStream watches for the end of a stream.
type clientStream struct {
	grpc.ClientStream
	options    *options
	token      *guard.Token
	single     bool // the server sends one message
	handedOver bool // to a caller, whose RecvMsg ends the call
	ended      atomic.Bool
	unwatch    func() bool
}

// RecvMsg implements [grpc.ClientStream].
func (s *clientStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	switch {
	case err != nil:
		s.unwatch()
		return s.end(err)
	case s.single:
		s.unwatch()
		_ = s.end(nil)
	}
	return err
}

// end settles the call once: RecvMsg and the end of the context may race.
func (s *clientStream) end(err error) error {
	if !s.ended.CompareAndSwap(false, true) {
		return err
	}
	defer s.token.Close() // does nothing, unless the table or a method of err panicked
	if errors.Is(err, io.EOF) {
		_ = s.options.settle(s.token, nil)
		return err
	}
	return s.options.settle(s.token, err)
}

// left settles a call whose context has ended. The guard judges it and not the table,
// which may be the user's: this is a goroutine of its own, and the context's cause,
// which the caller is free to choose, says nothing about the server.
func (s *clientStream) left(why error) {
	if s.ended.CompareAndSwap(false, true) {
		s.token.Done(why)
	}
}

// abandon runs also if something below panicked.
func (s *clientStream) abandon() {
	if !s.handedOver {
		s.token.Close()
	}
}
