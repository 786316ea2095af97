package grpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
)

// scripted is a stream that ends as it is told.
type scripted struct {
	grpc.ClientStream
	err error
}

func (s scripted) RecvMsg(any) error { return s.err }

func openAs(s grpc.ClientStream, err error) grpc.Streamer {
	return func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return s, err
	}
}

// The bug: a stream kept its place for ever if the table of outcomes, or a method of
// the error that it was asked about, did not return.
func TestUserCodeThatDoesNotReturnHoldsNothing(t *testing.T) {
	for way, end := range testkit.Ends() {
		unavailable := status.Error(codes.Unavailable, "down")
		table := guardgrpc.OutcomeBy(func(error) outcome.Outcome { end(); return outcome.Success })
		stream := func(open grpc.Streamer, opts ...guardgrpc.Option) func(context.Context, *guard.Guard) {
			return func(ctx context.Context, g *guard.Guard) {
				s, err := guardgrpc.StreamClientInterceptor(g, opts...)(ctx, talkDesc, nil, "/test.Shop/Talk", open)
				if err == nil {
					_ = s.RecvMsg(nil)
				}
			}
		}
		unary := func(result error, opts ...guardgrpc.Option) func(context.Context, *guard.Guard) {
			return func(ctx context.Context, g *guard.Guard) {
				_ = guardgrpc.UnaryClientInterceptor(g, opts...)(ctx, "/test.Shop/Echo", nil, nil, nil,
					func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return result })
			}
		}
		for name, call := range map[string]func(context.Context, *guard.Guard){
			"unary, table":         unary(unavailable, table),
			"unary, good":          unary(nil, table),
			"unary, error":         unary(testkit.RudeError(end)),
			"stream opens, table":  stream(openAs(nil, unavailable), table),
			"stream opens, error":  stream(openAs(nil, testkit.RudeError(end))),
			"stream ends, table":   stream(openAs(scripted{err: unavailable}, nil), table),
			"stream ends well":     stream(openAs(scripted{err: io.EOF}, nil), table),
			"stream ends by error": stream(openAs(scripted{err: testkit.RudeError(end)}, nil)),
			"server unary": func(ctx context.Context, g *guard.Guard) {
				_, _ = guardgrpc.UnaryServerInterceptor(g, table)(ctx, nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { return nil, unavailable })
			},
			"server stream": func(ctx context.Context, g *guard.Guard) {
				_ = guardgrpc.StreamServerInterceptor(g, table)(nil, serverStream{ctx: ctx}, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { return unavailable })
			},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				g, b := newGuard(t, 0)
				ended := testkit.Apart(func() { call(t.Context(), g) })
				if s := g.Status(); !ended || s.InFlight != 0 || s.SlotsTaken != 0 || s.Results[guard.Failed] != 1 || b.State() != breaker.StateOpen {
					t.Errorf("ended %v, %d in flight, %d places, %v, the breaker is %v", ended, s.InFlight, s.SlotsTaken, s.Results, b.State())
				}
			})
		}
	}
}

// The bug: a caller that leaves a stream with a cause of its own counted as a failure
// of the server, and the table was asked on a goroutine of ours.
func TestStream_ACallerThatLeavesWithACauseIsNeutral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := newGuard(t, 0)
		ctx, leave := context.WithCancelCause(t.Context())
		_, err := guardgrpc.StreamClientInterceptor(g, guardgrpc.OutcomeBy(func(err error) outcome.Outcome {
			t.Errorf("the table was asked about %v", err)
			return outcome.Failure
		}))(ctx, talkDesc, nil, "/test.Shop/Talk", openAs(scripted{}, nil))
		if err != nil {
			t.Fatal(err)
		}
		leave(testkit.RudeError(func() { panic("the caller's cause was asked") }))
		synctest.Wait()
		if s := g.Status(); s.InFlight != 0 || s.Results[guard.CallerLeft] != 1 || b.State() != breaker.StateClosed {
			t.Errorf("%d in flight, %v, the breaker is %v", s.InFlight, s.Results, b.State())
		}
	})
}

func TestAFailureBesideARefusal(t *testing.T) {
	refusal := fault.New(fault.Spec{Code: fault.RateLimited})
	down, absent := status.Error(codes.Unavailable, "down"), status.Error(codes.NotFound, "none")
	for name, c := range map[string]struct {
		err  error
		want outcome.Outcome
		code codes.Code // of StatusError
	}{
		"refusal":              {refusal, outcome.Ignored, codes.ResourceExhausted},
		"refusals":             {errors.Join(refusal, refusal), outcome.Ignored, codes.ResourceExhausted},
		"failure and refusal":  {errors.Join(errors.New("broken"), refusal), outcome.Failure, codes.Unknown},
		"refusal and status":   {fmt.Errorf("x: %w", errors.Join(refusal, down)), outcome.Failure, codes.Unavailable},
		"answer and failure":   {errors.Join(absent, down), outcome.Failure, codes.NotFound},
		"answer and canceled":  {errors.Join(context.Canceled, absent), outcome.Success, codes.NotFound},
		"a nil fault":          {(*fault.Error)(nil), outcome.Failure, codes.Internal},
		"canceled and failure": {errors.Join(context.Canceled, errors.New("broken")), outcome.Failure, codes.Unknown},
	} {
		if got := guardgrpc.Outcome(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if got := status.Code(guardgrpc.StatusError(c.err)); got != c.code {
			t.Errorf("%s: status %v, want %v", name, got, c.code)
		}
	}
}
