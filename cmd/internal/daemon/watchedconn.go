package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
)

type watchedListener struct{ net.Listener }

// Accept implements net.Listener.
func (l watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &watchedConn{Conn: conn}, nil
}

// watchedConn finds the requests that the server answered without a handler. No
// hook tells of them: a malformed request is answered by a write to the connection,
// which is then closed. So a request that began, reached no handler and was answered
// all the same was refused by the server.
type watchedConn struct {
	net.Conn

	served atomic.Bool            // the present request has reached a handler
	wrote  atomic.Int64           // bytes since the present request began
	answer atomic.Pointer[string] // the first line of what was written before a handler ran

	// The fields below belong to the server's goroutine of the connection.
	began bool
	http2 bool // its streams are not told apart here
}

// leastAnswer is less than an answer of the server, and more than what TLS writes
// at the end of a connection.
const leastAnswer = 64

// Write implements net.Conn.
func (c *watchedConn) Write(p []byte) (int, error) {
	if !c.served.Load() && c.answer.Load() == nil {
		line, _, _ := strings.Cut(string(p[:min(len(p), 2*leastAnswer)]), "\r\n")
		c.answer.Store(&line)
	}
	n, err := c.Conn.Write(p)
	c.wrote.Add(int64(n))
	return n, err
}

// CloseWrite ends one direction: the server takes leave like this of a client whose
// request it does not want to read to its end.
func (c *watchedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// moved follows the states of the connection and reports whether its end was that
// of a request that the server refused.
func (c *watchedConn) moved(to http.ConnState) (refused bool) {
	switch to {
	case http.StateNew, http.StateHijacked: // no request yet, and none any more
	case http.StateActive: // a header was read, or could not be
		c.began = true
		c.served.Store(false)
		c.wrote.Store(0)
	case http.StateIdle:
		// HTTP/1 comes here only behind a handler; HTTP/2 begins like this.
		c.http2 = c.http2 || !c.served.Load()
	case http.StateClosed:
		return c.began && !c.http2 && !c.served.Load() && c.wrote.Load() >= leastAnswer
	}
	return false
}

// watchedConnOf finds the connection below TLS; nil if it is not watched.
func watchedConnOf(conn net.Conn) *watchedConn {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, _ := conn.(*watchedConn)
	return c
}

type watchedConnKey struct{}

func withWatchedConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, watchedConnKey{}, watchedConnOf(conn))
}

// markServed notes that a request has reached its handler.
func markServed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, _ := r.Context().Value(watchedConnKey{}).(*watchedConn); c != nil && !c.served.Load() {
			c.served.Store(true)
		}
		h.ServeHTTP(w, r)
	})
}
