// Command grpc shows both sides of gRPC: a server whose clients are limited by
// their address, and a client that stops calling a server that fails. The service
// is gRPC's own health service, so that there is nothing to generate.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// service answers until it is asked for something that breaks.
type service struct {
	grpc_health_v1.UnimplementedHealthServer
}

// Check implements the health service.
func (service) Check(_ context.Context, in *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if in.GetService() == "broken" {
		return nil, status.Error(codes.Internal, "this one is broken")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func run(ctx context.Context, out io.Writer) error {
	server, err := newServer()
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(listener) }() // until Stop
	defer server.Stop()

	conn, err := newConn(listener.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // nothing follows
	health := grpc_health_v1.NewHealthClient(conn)
	// The fifth call is over the server's limit, which says nothing about its health: it
	// is no second failure, and the sixth is sent.
	for _, name := range []string{"good", "good", "broken", "good", "good", "good"} {
		resp, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: name})
		fmt.Fprintln(out, name+":", tell(resp, err))
	}
	return nil
}

// newServer is a server that each client may call four times a minute.
func newServer() (*grpc.Server, error) {
	perClient, err := ratelimit.New("per_client", ratelimit.Config{Limit: 4, Per: time.Minute})
	if err != nil {
		return nil, err
	}
	g, err := guard.New("health", guard.Config{RateLimit: perClient, Timeout: 5 * time.Second})
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g, guardgrpc.KeyByPeer())),
		grpc.ChainStreamInterceptor(guardgrpc.StreamServerInterceptor(g, guardgrpc.KeyByPeer())),
	)
	grpc_health_v1.RegisterHealthServer(server, service{})
	return server, nil
}

// newConn is a connection that gives a server a rest after two failures.
func newConn(address string) (*grpc.ClientConn, error) {
	upstream, err := breaker.New("upstream", breaker.Config{FailureThreshold: 2, Window: 10 * time.Second, Cooldown: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	g, err := guard.New("upstream", guard.Config{Breaker: upstream, Timeout: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	return grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(guardgrpc.UnaryClientInterceptor(g)),
		grpc.WithChainStreamInterceptor(guardgrpc.StreamClientInterceptor(g)),
	)
}

// tell describes an answer, a refusal of ours, or one of the server's.
func tell(resp *grpc_health_v1.HealthCheckResponse, err error) string {
	if err == nil {
		return resp.GetStatus().String()
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fmt.Sprintf("not sent: %s, try again in %v", f.Code(), f.RetryAfter().Round(time.Second))
	}
	s := status.Convert(err)
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return fmt.Sprintf("%v, try again in %v", s.Code(), info.GetRetryDelay().AsDuration().Round(time.Second))
		}
	}
	return s.Code().String()
}
