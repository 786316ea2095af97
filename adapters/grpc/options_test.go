package grpc_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	guardgrpc "github.com/elixirscope/foundation/adapters/grpc"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/ratelimit"
)

// spy is an admitter that sees how calls are described, and refuses them all.
type spy struct{ last guard.Call }

func (s *spy) Refusing() *atomic.Uint32 { return nil }

func (s *spy) Admit(_ context.Context, c guard.Call) *fault.Error {
	s.last = c
	return fault.New(fault.Spec{Code: fault.MemoryPressure})
}

// describe returns the call that a request becomes.
func describe(ctx context.Context, t *testing.T, opts ...guardgrpc.Option) guard.Call {
	t.Helper()
	s := &spy{}
	g, err := guard.New("shop", guard.Config{Admission: s})
	if err != nil {
		t.Fatal(err)
	}
	_, err = guardgrpc.UnaryServerInterceptor(g, opts...)(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/shop/Buy"}, nil)
	if status.Code(err) != codes.ResourceExhausted {
		t.Fatalf("the spy was not asked: %v", err)
	}
	return s.last
}

func from(address net.Addr) context.Context {
	return peer.NewContext(context.Background(), &peer.Peer{Addr: address})
}

func TestKeys(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }
	tenant := metadata.NewIncomingContext(context.Background(), metadata.Pairs("tenant", "a", "tenant", "b"))
	for _, c := range []struct {
		about  string
		ctx    context.Context
		option guardgrpc.Option
		want   string
	}{
		{"IPv4", from(tcp("192.0.2.1")), guardgrpc.KeyByPeer(), "192.0.2.1"},
		{"IPv6 by its /64", from(tcp("2001:db8:1:2:3:4:5:6")), guardgrpc.KeyByPeer(), "2001:db8:1:2::"},
		{"IPv4 inside IPv6", from(tcp("::ffff:192.0.2.1")), guardgrpc.KeyByPeer(), "192.0.2.1"},
		{"a unix socket", from(&net.UnixAddr{Name: "@", Net: "unix"}), guardgrpc.KeyByPeer(), "unix"},
		{"no peer", context.Background(), guardgrpc.KeyByPeer(), ""},
		{"the method", context.Background(), guardgrpc.KeyByMethod(), "%2Fshop%2FBuy"},
		{"metadata", tenant, guardgrpc.KeyByMetadata("Tenant"), "a"},
		{"no metadata", context.Background(), guardgrpc.KeyByMetadata("tenant"), ""},
		{"one's own", context.Background(), guardgrpc.KeyBy(func(context.Context, string) ratelimit.Key { return ratelimit.KeyOf("org", 7) }), "org/7"},
	} {
		k := describe(c.ctx, t, c.option).Key
		if got := k.Text(); got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

func TestDescriptions(t *testing.T) {
	call := describe(t.Context(), t, guardgrpc.PriorityBy(func(context.Context, string) guard.Priority { return guard.Bulk }))
	if call.Op != "/shop/Buy" || call.Priority != guard.Bulk {
		t.Errorf("%+v", call)
	}
	g, b := newGuard(t, 0)
	conn := dial(t, false, []grpc.ServerOption{grpc.ChainUnaryInterceptor(guardgrpc.UnaryServerInterceptor(g,
		guardgrpc.OutcomeBy(func(error) outcome.Outcome { return outcome.Failure })))})
	if err := echo(t.Context(), conn, "fine"); err != nil || b.State() != breaker.StateOpen {
		t.Errorf("%v, breaker %v", err, b.State())
	}
}
