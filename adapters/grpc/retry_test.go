package grpc_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/retry"
)

// failing is an interceptor of a server whose calls meet errors in turn.
type failing struct {
	errs []error
	runs atomic.Int32
}

func (f *failing) intercept(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if n := int(f.runs.Add(1)); n <= len(f.errs) {
		return nil, f.errs[n-1]
	}
	return handle(ctx, req)
}

func newRetried(t *testing.T, cfg guard.Config) *guard.Guard {
	t.Helper()
	if cfg.Retry == nil {
		cfg.Retry = &retry.Config{Backoff: time.Nanosecond}
	}
	g, err := guard.New("shop", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// connect connects through g to a server whose calls meet errs in turn.
func connect(t *testing.T, g *guard.Guard, errs []error, opts ...guardgrpc.Option) (*grpc.ClientConn, *failing) {
	t.Helper()
	f := &failing{errs: errs}
	return dial(t, false, []grpc.ServerOption{grpc.UnaryInterceptor(f.intercept)}, grpc.WithUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g, opts...))), f
}

var errDown = status.Error(codes.Unavailable, "down")

func TestRetry_CallsThatMayBeMadeTwice(t *testing.T) {
	notFound, lost := status.Error(codes.NotFound, "no such order"), status.Error(codes.Aborted, "lost a race")
	for about, c := range map[string]struct {
		opts []guardgrpc.Option
		errs []error
		runs int32
		code codes.Code
	}{
		"named":                 {opts: []guardgrpc.Option{guardgrpc.Idempotent("/test.Shop/Get", "/test.Shop/Echo")}, errs: []error{errDown, errDown}, runs: 3},
		"its service":           {opts: []guardgrpc.Option{guardgrpc.Idempotent("/test.Shop/")}, errs: []error{errDown}, runs: 2},
		"by a function":         {opts: []guardgrpc.Option{guardgrpc.IdempotentBy(func(context.Context, string) bool { return true })}, errs: []error{errDown}, runs: 2},
		"in vain":               {opts: []guardgrpc.Option{guardgrpc.Idempotent("/test.Shop/")}, errs: []error{errDown, errDown, errDown}, runs: 3, code: codes.Unavailable},
		"an answer":             {opts: []guardgrpc.Option{guardgrpc.Idempotent("/test.Shop/")}, errs: []error{notFound}, runs: 1, code: codes.NotFound},
		"the caller's business": {opts: []guardgrpc.Option{guardgrpc.Idempotent("/test.Shop/")}, errs: []error{lost}, runs: 1, code: codes.Aborted},
		"another service":       {opts: []guardgrpc.Option{guardgrpc.Idempotent("/test.Shops/", "/test.Shop/Ech", "")}, errs: []error{errDown}, runs: 1, code: codes.Unavailable},
		"unknown":               {errs: []error{errDown}, runs: 1, code: codes.Unavailable},
	} {
		g := newRetried(t, guard.Config{Concurrency: 1})
		conn, f := connect(t, g, c.errs, c.opts...)
		err := echo(t.Context(), conn, "fine")
		if status.Code(err) != c.code || f.runs.Load() != c.runs || !free(g) {
			t.Errorf("%s: %v after %d runs", about, err, f.runs.Load())
		}
		if c.code == codes.Unavailable && status.Convert(err).Message() != "down" {
			t.Errorf("%s: the status is %q", about, status.Convert(err).Message())
		}
		if inVain := about == "in vain"; retry.IsFinal(err) != inVain {
			t.Errorf("%s: final is %v", about, retry.IsFinal(err))
		}
	}
}

// Three clients, one behind the other: the innermost retries, the others see its mark.
func TestRetry_OneLayerRetries(t *testing.T) {
	opts := guardgrpc.Idempotent("/test.Shop/")
	f := &failing{errs: []error{errDown, errDown, errDown, errDown}}
	chain := make([]grpc.UnaryClientInterceptor, 3)
	for i := range chain {
		chain[i] = guardgrpc.UnaryClientInterceptor(newRetried(t, guard.Config{}), opts)
	}
	conn := dial(t, false, []grpc.ServerOption{grpc.UnaryInterceptor(f.intercept)}, grpc.WithChainUnaryInterceptor(chain...))
	if err := echo(t.Context(), conn, "fine"); status.Code(err) != codes.Unavailable || f.runs.Load() != 3 {
		t.Errorf("%v after %d runs", err, f.runs.Load())
	}
}

func TestRetry_TheServersWordOnWhenToComeAgain(t *testing.T) {
	busy, err := status.New(codes.Unavailable, "busy").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	g := newRetried(t, guard.Config{})
	conn, f := connect(t, g, []error{busy.Err()}, guardgrpc.Idempotent("/test.Shop/"))
	err = echo(t.Context(), conn, "fine")
	if status.Code(err) != codes.Unavailable || f.runs.Load() != 1 || g.Status().Retries.Stopped[retry.AskedTooLong] != 1 || len(status.Convert(err).Details()) != 1 {
		t.Errorf("%v after %d runs, stopped %v", err, f.runs.Load(), g.Status().Retries.Stopped)
	}
}

func TestRetry_AnAttemptHasItsTime(t *testing.T) {
	g := newRetried(t, guard.Config{Timeout: time.Minute, Retry: &retry.Config{Attempts: 2, Backoff: time.Nanosecond, AttemptTimeout: 50 * time.Millisecond}})
	conn, f := connect(t, g, nil, guardgrpc.Idempotent("/test.Shop/"))
	err := echo(t.Context(), conn, "wait")
	if status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, fault.CallTimeout) || f.runs.Load() != 2 || g.Status().Retries.Retried[retry.TimedOut] != 1 {
		t.Errorf("%v after %d runs", err, f.runs.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := echo(ctx, conn, "fine"); status.Code(err) != codes.Canceled {
		t.Errorf("a caller that has left: %v", err)
	}
}

// Handlers of a server are called once, whatever the options say, and so are streams.
func TestRetry_ServersAndStreamsDoEverythingOnce(t *testing.T) {
	g := newRetried(t, guard.Config{})
	runs := 0
	intercept := guardgrpc.UnaryServerInterceptor(g, guardgrpc.Idempotent("/test.Shop/"))
	_, err := intercept(t.Context(), wrapperspb.String(""), &grpc.UnaryServerInfo{FullMethod: "/test.Shop/Echo"}, func(context.Context, any) (any, error) { runs++; return nil, errDown })
	if runs != 1 || status.Code(err) != codes.Unavailable || retry.IsFinal(err) {
		t.Errorf("%v after %d runs", err, runs)
	}
	conn := dial(t, false, nil, grpc.WithStreamInterceptor(guardgrpc.StreamClientInterceptor(g, guardgrpc.Idempotent("/test.Shop/"))))
	s, err := conn.NewStream(t.Context(), sumDesc, "/test.Shop/Sum")
	if err != nil {
		t.Fatal(err)
	}
	_ = s.SendMsg(wrapperspb.String("14"))
	if err := s.RecvMsg(new(text)); status.Code(err) != codes.Unavailable || g.Status().Retries.Retried[retry.Failed] != 0 {
		t.Errorf("stream: %v", err)
	}
}
