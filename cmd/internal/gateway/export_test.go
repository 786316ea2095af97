package gateway

import (
	"context"
	"net"
	"net/http"
)

// Buffers lets the benchmark's yardstick copy with the buffers that we copy with.
var Buffers = buffers

// Intercept makes rt answer in place of the upstreams.
func (t *Table) Intercept(rt http.RoundTripper) {
	for _, r := range t.routes {
		for _, m := range r.members {
			m.Peer.Transport.RegisterProtocol("http", rt)
		}
	}
}

// DialWith makes rt reach its upstreams by dial.
func (t *Table) DialWith(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	for _, r := range t.routes {
		for _, m := range r.members {
			m.Peer.Transport.DialContext = dial
		}
	}
}
