package gateway

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// conn is what the gateway knows of a client's connection.
type conn struct {
	// hurried says that a response has set a write deadline. net/http does not take
	// it back: the next response on the connection would fail once it is over. It
	// cannot be taken back at the end of the response either, because the server
	// sends the last bytes after that, to a client that may not read them.
	hurried atomic.Bool
}

type connKey struct{}

// ConnContext is for the field of that name of the http.Server that serves the
// gateway. Without it slow readers of responses are not bounded.
func ConnContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, new(conn))
}

// newResponseWriter wraps w, and takes back what an earlier response on its
// connection has left.
func newResponseWriter(w http.ResponseWriter, r *http.Request, idle time.Duration) responseWriter {
	out := responseWriter{ResponseWriter: w, idle: idle}
	c, known := r.Context().Value(connKey{}).(*conn)
	if !known {
		return out
	}
	out.conn, out.deadlines = c, deadlinesOf(w)
	if out.deadlines != nil && c.hurried.Swap(false) {
		_ = out.deadlines.SetWriteDeadline(time.Time{}) // a closed connection is told by Write
	}
	return out
}
