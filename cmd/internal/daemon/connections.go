package daemon

import (
	"container/list"
	"errors"
	"net"
	"net/http"
	"sync"
)

// limitListener keeps at most limit connections open. A new one takes the place of the
// one that has been idle for longest, as a server that nobody asks for anything closes
// connections anyway; where none is idle it waits, and further ones wait in the queue
// of the operating system. The one that waits is open beside those that are counted:
// before it is accepted nobody knows that somebody waits.
//
// A client that sends its next request at the moment in which its connection is closed
// has to send it again, as with every server that closes idle connections.
type limitListener struct {
	net.Listener

	limit int

	// mu guards the fields below. Nothing is called under it.
	mu     sync.Mutex
	change sync.Cond // of them
	open   int
	idle   list.List // of *limitedConn, the longest idle first
	closed bool
}

// limitConnections bounds the connections of ln, and learns from srv which of them are
// idle. Nothing may be wrapped around them but TLS.
func limitConnections(ln net.Listener, limit int, srv *http.Server) net.Listener {
	if limit <= 0 {
		return ln
	}
	l := &limitListener{Listener: ln, limit: limit}
	l.change.L = &l.mu
	srv.ConnState = l.note
	return l
}

// Accept implements net.Listener.
func (l *limitListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	surplus, ok := l.makePlace()
	if surplus != nil {
		_ = surplus.Conn.Close() // its server notices; its place is taken already
	}
	if !ok {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	return &limitedConn{Conn: conn, listener: l}, nil
}

// makePlace counts one connection more once there is a place, and returns the one whose
// place it took, which is to be closed. It reports false when the listener was closed.
func (l *limitListener) makePlace() (surplus *limitedConn, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.open >= l.limit && l.idle.Len() == 0 && !l.closed {
		l.change.Wait()
	}
	if l.closed {
		return nil, false
	}
	if l.open < l.limit {
		l.open++
		return nil, true
	}
	surplus, _ = l.idle.Front().Value.(*limitedConn)
	l.forget(surplus)
	surplus.gone = true // its place goes to the new one
	return surplus, true
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	err := l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.change.Broadcast()
	return err
}

// note is the server's hook: it tells what a connection is doing.
func (l *limitListener) note(conn net.Conn, state http.ConnState) {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok { // of TLS
		conn = wrapped.NetConn()
	}
	c, ok := conn.(*limitedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
	if state == http.StateIdle && !c.gone {
		c.place = l.idle.PushBack(c)
		l.change.Signal()
	}
}

// forget takes c out of the idle ones. REQUIRES: l.mu.
func (l *limitListener) forget(c *limitedConn) {
	if c.place != nil {
		l.idle.Remove(c.place)
		c.place = nil
	}
}

// leave gives back the place of a connection that is closed.
func (l *limitListener) leave(c *limitedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(c)
	if !c.gone {
		c.gone = true
		l.open--
		l.change.Signal()
	}
}

type limitedConn struct {
	net.Conn

	listener *limitListener
	// place and gone are guarded by the listener's mu.
	place *list.Element // among the idle ones
	gone  bool          // holds no place any more
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.listener.leave(c)
	return c.Conn.Close()
}

// CloseWrite ends one direction, for upgraded connections that go on in the other.
func (c *limitedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
