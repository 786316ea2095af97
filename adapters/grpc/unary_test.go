package grpc_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
)

// failures is the table that the interceptors promise.
var failures = map[codes.Code]outcome.Outcome{
	codes.OK: outcome.Success, codes.InvalidArgument: outcome.Success, codes.NotFound: outcome.Success, codes.AlreadyExists: outcome.Success,
	codes.PermissionDenied: outcome.Success, codes.Unauthenticated: outcome.Success, codes.FailedPrecondition: outcome.Success,
	codes.OutOfRange: outcome.Success, codes.Unimplemented: outcome.Success,
	codes.Canceled: outcome.Ignored, codes.Aborted: outcome.Ignored,
	codes.Unavailable: outcome.Failure, codes.DeadlineExceeded: outcome.Failure, codes.ResourceExhausted: outcome.Ignored,
	codes.Internal: outcome.Failure, codes.Unknown: outcome.Failure, codes.DataLoss: outcome.Failure,
}

func TestCodeOutcome(t *testing.T) {
	if len(failures) != 17 {
		t.Fatalf("%d codes, gRPC has 17", len(failures))
	}
	for code, want := range failures {
		if got := guardgrpc.CodeOutcome(code); got != want {
			t.Errorf("%v is %v, want %v", code, got, want)
		}
	}
	if got := guardgrpc.CodeOutcome(codes.Code(99)); got != outcome.Failure {
		t.Errorf("a code that does not exist is %v", got)
	}
}

func TestUnary_EveryCodeOverTCP(t *testing.T) {
	for side := range 2 {
		for code, want := range failures {
			g, b := newGuard(t, 0)
			server := []grpc.ServerOption{grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g))}
			var client []grpc.DialOption
			if side == 1 {
				server, client = nil, []grpc.DialOption{grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g))}
			}
			conn := dial(t, true, server, client...)
			what := strconv.Itoa(int(code))
			if code == codes.OK {
				what = "fine"
			}
			err := echo(t.Context(), conn, what)
			if status.Code(err) != code {
				t.Errorf("side %d: %v arrived as %v", side, code, err)
			}
			if got := b.State() == breaker.StateOpen; got != (want == outcome.Failure) || !free(g) {
				t.Errorf("side %d: %v: open %v, want %v", side, code, got, want)
			}
			conn.Close()
		}
	}
}

func TestUnary_RefusalIsFaultAndStatus(t *testing.T) {
	g, b := newGuard(t, 0)
	conn := dial(t, false, nil, grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g)))
	_ = echo(t.Context(), conn, "14")
	err := echo(t.Context(), conn, "fine")
	if !errors.Is(err, fault.CircuitOpen) || status.Code(err) != codes.Unavailable || b.State() != breaker.StateOpen {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(err.Error(), "shop") {
		t.Errorf("this side is not told the name: %v", err)
	}
}

func TestUnary_RefusalOfAServerTellsWhenAndNothingElse(t *testing.T) {
	g, _ := newGuard(t, 0)
	conn := dial(t, true, []grpc.ServerOption{grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g, guardgrpc.KeyByPeer()))})
	_ = echo(t.Context(), conn, "13")
	s := status.Convert(echo(t.Context(), conn, "fine"))
	if s.Code() != codes.Unavailable || s.Message() != fault.CircuitOpen.Title() {
		t.Errorf("got %v", s)
	}
	if len(s.Details()) != 1 {
		t.Fatalf("details %v", s.Details())
	}
	info, ok := s.Details()[0].(*errdetails.RetryInfo)
	if d := info.GetRetryDelay().AsDuration(); !ok || d <= 0 || d > time.Minute {
		t.Errorf("retry info %v", info)
	}
}

func TestStatusError(t *testing.T) {
	for _, code := range fault.Codes() {
		err := guardgrpc.StatusError(fmt.Errorf("outer: %w", fault.New(fault.Spec{Code: code, Name: "secret"})))
		s := status.Convert(err)
		if s.Code() != codes.Code(code.GRPCCode()) || s.Message() != code.Title() || !errors.Is(err, code) || len(s.Details()) != 0 {
			t.Errorf("%v became %v", code, s)
		}
		if again := guardgrpc.StatusError(err); again != err { //nolint:errorlint // the very same is meant
			t.Errorf("%v: a status was put on a status", code)
		}
	}
	plain := errors.New("plain")
	if guardgrpc.StatusError(plain) != plain || guardgrpc.StatusError(nil) != nil { //nolint:errorlint // the very same is meant
		t.Error("an error without a fault was changed")
	}
}

// The bug: a call whose deadline had passed before it began was Canceled, which says
// that the caller gave up.
func TestADeadlineThatHasPassedIsDeadlineExceeded(t *testing.T) {
	g, b := newGuard(t, 0)
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	left, leave := context.WithCancel(t.Context())
	leave()
	conn := dial(t, false, nil, grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g)), grpc.WithChainStreamInterceptor(guardgrpc.StreamClientInterceptor(g)))
	for name, call := range map[string]func(context.Context) error{
		"unary client": func(ctx context.Context) error { return echo(ctx, conn, "fine") },
		"stream client": func(ctx context.Context) error {
			_, err := conn.NewStream(ctx, manyDesc, "/test.Shop/Many")
			return err
		},
		"unary server": func(ctx context.Context) error {
			_, err := guardgrpc.UnaryServerInterceptor(g)(ctx, nil, &grpc.UnaryServerInfo{}, nil)
			return err
		},
		"stream server": func(ctx context.Context) error {
			return guardgrpc.StreamServerInterceptor(g)(nil, arrived{ctx: ctx}, &grpc.StreamServerInfo{}, nil)
		},
	} {
		for ctx, want := range map[context.Context]codes.Code{late: codes.DeadlineExceeded, left: codes.Canceled} {
			err := call(ctx)
			if s := status.Convert(err); s.Code() != want || want == codes.DeadlineExceeded && s.Message() != fault.CallTimeout.Title() {
				t.Errorf("%s: %v, want %v", name, s, want)
			}
			if !errors.Is(err, fault.Canceled) || !errors.Is(err, ctx.Err()) {
				t.Errorf("%s: this side is told %v", name, err)
			}
		}
	}
	if s := g.Status(); s.Refused[fault.Canceled] != 8 || b.State() != breaker.StateClosed {
		t.Errorf("refused %v, the breaker is %v", s.Refused, b.State())
	}
}

// arrived is a stream of a server as its interceptor meets it.
type arrived struct {
	grpc.ServerStream
	ctx context.Context
}

func (a arrived) Context() context.Context { return a.ctx }

func TestPeer06_CallersThatLeaveAreNeutral(t *testing.T) {
	for side := range 2 {
		g, b := newGuard(t, 0)
		server := []grpc.ServerOption{grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g))}
		var client []grpc.DialOption
		if side == 1 {
			server, client = nil, []grpc.DialOption{grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g))}
		}
		conn := dial(t, true, server, client...)
		for range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				for busy := false; !busy; {
					tok, err := g.Enter(ctx, guardCall)
					if busy = err != nil; !busy {
						tok.Settle(outcome.Ignored, nil)
						tok.Close()
					}
				}
				cancel()
			}()
			if err := echo(ctx, conn, "wait"); err == nil {
				t.Error("no error")
			}
			cancel()
			waitFor(t, "the place comes back", func() bool { return free(g) })
		}
		if b.State() != breaker.StateClosed {
			t.Errorf("side %d: open", side)
		}
	}
}

func TestUnary_TimeoutIsAFailure(t *testing.T) {
	for side := range 2 {
		g, b := newGuard(t, 20*time.Millisecond)
		server := []grpc.ServerOption{grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g))}
		var client []grpc.DialOption
		if side == 1 {
			server, client = nil, []grpc.DialOption{grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g))}
		}
		conn := dial(t, true, server, client...)
		err := echo(t.Context(), conn, "wait")
		if status.Code(err) != codes.DeadlineExceeded || b.State() != breaker.StateOpen {
			t.Errorf("side %d: %v, breaker %v", side, err, b.State())
		}
		if side == 1 && !errors.Is(err, fault.CallTimeout) {
			t.Errorf("the client's error is %v", err)
		}
	}
}

func TestUnary_PanicGoesOnAndCounts(t *testing.T) {
	g, b := newGuard(t, 0)
	recovered := make(chan any, 1)
	catch := func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
		defer func() { recovered <- recover(); err = status.Error(codes.Internal, "panic") }()
		return next(ctx, req)
	}
	conn := dial(t, false, []grpc.ServerOption{grpc.ChainUnaryInterceptor(catch, guardgrpc.UnaryServerInterceptor(g))})
	if err := echo(t.Context(), conn, "panic"); status.Code(err) != codes.Internal {
		t.Errorf("got %v", err)
	}
	if v := <-recovered; v != "the handler has a bug" || b.State() != breaker.StateOpen || !free(g) {
		t.Errorf("recovered %v, breaker %v", v, b.State())
	}
}

// A call that cannot be lost needs no lease, and a neutral error says nothing
// about anybody's health, whatever its status.
func TestUnary_LongCallsAndNeutralErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, b := newGuard(t, 0)
		info := &grpc.UnaryServerInfo{FullMethod: "/test.Shop/Echo"}
		_, err := guardgrpc.UnaryServerInterceptor(g)(t.Context(), nil, info, func(context.Context, any) (any, error) {
			time.Sleep(time.Hour)
			if s := g.Status(); s.InFlight != 1 || s.LeasesExpired != 0 {
				t.Errorf("in the middle: %d in flight, %d leases expired", s.InFlight, s.LeasesExpired)
			}
			return nil, guard.Neutral(status.Error(codes.Internal, "as agreed"))
		})
		if s := g.Status(); status.Code(err) != codes.Internal || b.State() != breaker.StateClosed || s.Results[guard.Indifferent] != 1 {
			t.Errorf("%v, breaker %v, results %v", err, b.State(), s.Results)
		}
	})
}
