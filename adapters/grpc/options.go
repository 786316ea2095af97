package grpc

import (
	"context"
	"net"
	"net/netip"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

// Option changes how calls are described to the guard and judged.
type Option func(*options)

type options struct {
	key        func(ctx context.Context, method string) ratelimit.Key
	priority   func(ctx context.Context, method string) guard.Priority
	outcome    func(error) outcome.Outcome
	idempotent func(ctx context.Context, method string) bool
}

func collect(opts []Option) options {
	o := options{outcome: Outcome}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// callOf describes a call to the guard.
func (o *options) callOf(ctx context.Context, method string) guard.Call {
	call := guard.Call{Op: method}
	if o.key != nil {
		call.Key = o.key(ctx, method)
	}
	if o.priority != nil {
		call.Priority = o.priority(ctx, method)
	}
	if o.idempotent != nil {
		call.Idempotent = o.idempotent(ctx, method)
	}
	return call
}

// KeyBy counts calls by what fn makes of the context and the full method, as in
// "/shop.Orders/Place". Without any such option all calls share one bucket.
func KeyBy(fn func(ctx context.Context, method string) ratelimit.Key) Option {
	return func(o *options) { o.key = fn }
}

// KeyByMethod counts each method apart. With a guard that has a breaker.Group,
// every method gets a breaker of its own.
func KeyByMethod() Option {
	return KeyBy(func(_ context.Context, method string) ratelimit.Key { return ratelimit.KeyOf(method) })
}

// KeyByPeer counts calls by the address of the connection's other end, an IPv6
// address by its /64. It is for servers; behind a proxy that address is the
// proxy's.
func KeyByPeer() Option {
	return KeyBy(func(ctx context.Context, _ string) ratelimit.Key {
		p, ok := peer.FromContext(ctx)
		if !ok || p.Addr == nil {
			return ratelimit.Key{}
		}
		return ratelimit.KeyOf(addressText(p.Addr))
	})
}

// addressText is the client as protect.KeyByRemoteIP would name it.
func addressText(a net.Addr) string {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.Network()
	}
	return protect.ClientText(ap.Addr())
}

// KeyByMetadata counts calls by the first value of an incoming metadata field;
// those without it share a bucket. It is for servers. Whoever calls chooses the
// value: a rule that is keyed so needs a parent that is keyed by address.
func KeyByMetadata(name string) Option {
	return KeyBy(func(ctx context.Context, _ string) ratelimit.Key {
		if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
			return ratelimit.KeyOf(values[0])
		}
		return ratelimit.Key{}
	})
}

// PriorityBy says how important a call is. Without it, or where fn returns the
// zero Priority, the context's counts, then the guard's.
func PriorityBy(fn func(ctx context.Context, method string) guard.Priority) Option {
	return func(o *options) { o.priority = fn }
}

// OutcomeBy replaces [Outcome] as the judge of how calls ended. io.EOF at the end
// of a stream is given to it as nil.
func OutcomeBy(fn func(error) outcome.Outcome) Option {
	return func(o *options) { o.outcome = fn }
}
