package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// errHTTP2Only is an upstream over TLS that does not speak HTTP/1.1, which a change
// of protocol needs. Any client can offer one: it says nothing about its health.
var errHTTP2Only = errors.New("the upstream speaks HTTP/2 only")

const http11 = "http/1.1"

// speakHTTP1 makes t connect over TLS for HTTP/1.1 alone, and say with [errHTTP2Only]
// where that fails because the upstream has HTTP/2 alone. Requests that offer another
// protocol have connections of their own: where HTTP/2 was negotiated, none of the
// others has a use for the offer. instead is an address to connect to in place of the host's.
func speakHTTP1(t *http.Transport, dialer *net.Dialer, security *tls.Config, instead string) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	security = security.Clone()
	security.NextProtos = []string{http11}
	d := &tls.Dialer{NetDialer: dialer, Config: security}
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, cmp.Or(instead, address))
		if err != nil {
			return nil, withoutHTTP1(err)
		}
		if c, ok := conn.(*tls.Conn); ok && c.ConnectionState().NegotiatedProtocol == http11 {
			return conn, nil
		}
		return &unsureConn{Conn: conn}, nil
	}
}

// withoutHTTP1 tells the refusal of a handshake that is about the protocol. The
// alert has no exported type.
func withoutHTTP1(err error) error {
	if text := err.Error(); strings.Contains(text, "no application protocol") || strings.Contains(text, "unadvertised ALPN protocol") {
		return fmt.Errorf("%w: %w", errHTTP2Only, err)
	}
	return err
}

// unsureConn is a connection on which no protocol was negotiated. Old servers have
// HTTP/1.1 there; one that knows HTTP/2 only greets with a frame, or hangs up.
type unsureConn struct {
	net.Conn

	heard bool // something; only the transport's one reader uses it
}

// Read implements net.Conn.
func (c *unsureConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.heard || n == 0 && err == nil {
		return n, err
	}
	c.heard = true
	if n == 0 {
		return 0, fmt.Errorf("%w: %w", errHTTP2Only, err)
	}
	if p[0] != 'H' { // of HTTP/1.1
		return 0, errHTTP2Only
	}
	return n, err
}
