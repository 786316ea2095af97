package gateway

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/internal/key"
)

// Listener returns ln with connections whose clients must read: one that lets a
// write stand still for as long as limits.body_idle_timeout is cut. It covers
// whatever the server writes, and so also the end of small answers, which fill the
// buffers of a client that sends one request after another and reads nothing.
func (g *Gateway) Listener(ln net.Listener) net.Listener { return boundListener{ln, g} }

type boundListener struct {
	net.Listener

	gateway *Gateway
}

// Accept implements net.Listener. A connection that its client has too many of is
// closed at once.
func (l boundListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		bound := &boundConn{Conn: conn, gateway: l.gateway}
		if l.gateway.admit(bound) {
			return bound, nil
		}
		_ = conn.Close() // nobody is told anything
	}
}

// boundConn sets a deadline for writes. To set one for every write would cost
// more than most writes: it stands until a quarter of its time has passed, so that
// a client has between three quarters of the time and all of it.
type boundConn struct {
	net.Conn

	gateway *Gateway
	client  key.Hash
	counted atomic.Bool // among the connections of client
	unread  atomic.Bool // its client let a write stand still

	// mu guards the fields below; the connection writes without it.
	mu      sync.Mutex
	until   time.Time // the deadline that we set
	foreign bool      // somebody else takes care of the deadline
}

// Close implements net.Conn.
func (c *boundConn) Close() error {
	if c.counted.Swap(false) {
		c.gateway.clients.release(c.client)
	}
	return c.Conn.Close()
}

// Write implements net.Conn.
func (c *boundConn) Write(p []byte) (int, error) {
	if err := c.bound(time.Now()); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.unread.Swap(true) {
		c.gateway.unread.Add(1)
	}
	return n, err
}

func (c *boundConn) bound(now time.Time) error {
	idle := c.gateway.table.Load().idle
	c.mu.Lock()
	defer c.mu.Unlock()
	if left := c.until.Sub(now); c.foreign || left > idle-idle/4 && left <= idle {
		return nil
	}
	c.until = now.Add(idle)
	return c.Conn.SetWriteDeadline(c.until)
}

// SetWriteDeadline implements net.Conn. Who sets one has it; to clear it gives the
// connection back to us, as the server does after every answer.
func (c *boundConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && !c.foreign {
		return nil
	}
	c.foreign, c.until = !t.IsZero(), time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn. The server clears both deadlines of a connection
// that leaves HTTP, which then has no limit.
func (c *boundConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.foreign = true
	return c.Conn.SetDeadline(t)
}

// CloseWrite ends what we send and leaves open what we receive: upgraded
// connections may go on in one direction only, and the server takes leave like
// this of a client whose body it does not want to read.
func (c *boundConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
