package grpc_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/health"
)

const (
	isServing  = healthpb.HealthCheckResponse_SERVING
	notServing = healthpb.HealthCheckResponse_NOT_SERVING
	isUnknown  = healthpb.HealthCheckResponse_SERVICE_UNKNOWN
)

// healthClient asks a server that answers from an aggregator with one check, which fails
// while down is set.
func healthClient(t *testing.T, a *health.Aggregator, down *atomic.Bool) healthpb.HealthClient {
	t.Helper()
	err := a.Add(health.Check{Name: "db", Run: func(context.Context) error {
		if down.Load() {
			return errors.New("connection refused")
		}
		return nil
	}, Config: health.Config{Every: 100 * time.Millisecond, FailAfter: 1, PassAfter: 1, Criticality: health.Hard, Groups: []string{"shop"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = a.Serve(ctx) }()
	ln := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	guardgrpc.RegisterHealth(server, a)
	go func() { _ = server.Serve(ln) }()
	conn, err := grpc.NewClient("passthrough:///test", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return ln.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
		cancel()
		<-ended
	})
	return healthpb.NewHealthClient(conn)
}

func TestHealth_CheckAnswersForTheInstanceAndItsGroups(t *testing.T) {
	a := health.New(health.Options{})
	var down atomic.Bool
	client := healthClient(t, a, &down)
	check := func(service string) (healthpb.HealthCheckResponse_ServingStatus, error) {
		answer, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		return answer.GetStatus(), err
	}
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{"": isServing, "shop": isServing} {
		if got, err := check(service); err != nil || got != want {
			t.Errorf("%q: %v, %v", service, got, err)
		}
	}
	if _, err := check("nothing"); status.Code(err) != codes.NotFound {
		t.Errorf("a group that is not there: %v", err)
	}
	a.Drain()
	if got, err := check(""); err != nil || got != notServing {
		t.Errorf("while it drains: %v, %v", got, err)
	}
	list, err := client.List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil || len(list.GetStatuses()) != 2 || list.GetStatuses()[""].GetStatus() != notServing || list.GetStatuses()["shop"].GetStatus() != isServing {
		t.Errorf("the list: %v, %v", list, err)
	}
}

func TestHealth_WatchTellsEachChangeOnce(t *testing.T) {
	a := health.New(health.Options{})
	var down atomic.Bool
	client := healthClient(t, a, &down)
	watch := func(service string) (next func() healthpb.HealthCheckResponse_ServingStatus) {
		stream, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		return func() healthpb.HealthCheckResponse_ServingStatus {
			answer, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			return answer.GetStatus()
		}
	}
	shop, instance, nothing := watch("shop"), watch(""), watch("nothing")
	if a, b, c := shop(), instance(), nothing(); a != isServing || b != isServing || c != isUnknown {
		t.Fatalf("at first %v, %v, %v", a, b, c)
	}
	for range 3 {
		down.Store(true)
		if got := shop(); got != notServing {
			t.Errorf("down: %v", got)
		}
		down.Store(false)
		if got := shop(); got != isServing {
			t.Errorf("up: %v", got)
		}
	}
	a.Drain()
	if got := instance(); got != notServing {
		t.Errorf("draining: %v", got)
	}
}
