// Package resend says which requests of HTTP may be sent again, and keeps the bodies of those
// that nobody else can make again.
package resend

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
)

// MaxBody is the length of the greatest body that is kept.
const MaxBody = 64 << 10

// Idempotent reports whether r may be sent twice, by its method (RFC 9110, section 9.2.2)
// or because its client says so. One that switches protocols may not.
func Idempotent(r *http.Request) bool {
	if len(r.Header["Upgrade"]) > 0 {
		return false
	}
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return len(r.Header["Idempotency-Key"]) > 0 || len(r.Header["X-Idempotency-Key"]) > 0
}

// Keepable reports whether the body of r can be kept: its length is known and small, and no
// trailer comes after it.
func Keepable(r *http.Request) bool {
	return r.ContentLength > 0 && r.ContentLength <= MaxBody && len(r.Trailer) == 0
}

// Body is a body that is kept while it is sent: it is read only by the attempt that sends it, at
// its pace. A transport may read it, and close it, after its round trip has returned: what an
// attempt does after the next one has begun has no effect. The Body itself is the reader of the
// first attempt.
//
// As long as there may be another attempt, the source stays open unless it was read from: an
// attempt that could not connect closes a body of which the next one has all. Its owner calls
// Release once there is no further attempt.
type Body struct {
	source io.ReadCloser
	length int64

	mu       sync.Mutex // guards what follows; the source is not called under it
	turn     int        // of the attempt that has it, from 0
	sent     []byte
	begun    bool // something was asked of the source
	ended    bool // it has ended
	closed   bool // by the attempt that has it
	released bool // no other attempt will have it
}

// Keep returns source, which has the given length, as one that is kept.
func Keep(source io.ReadCloser, length int64) *Body { return &Body{source: source, length: length} }

var errClosed = errors.New("the body is closed")

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) { return b.read(0, p) }

// Close implements io.Closer.
func (b *Body) Close() error { return b.close(0) }

// later is the body as a later attempt has it.
type later struct {
	body *Body
	turn int
}

func (l later) Read(p []byte) (int, error) { return l.body.read(l.turn, p) }
func (l later) Close() error               { return l.body.close(l.turn) }

func (b *Body) read(turn int, p []byte) (int, error) {
	b.mu.Lock()
	closed := b.closed || turn != b.turn
	b.begun = b.begun || !closed
	b.mu.Unlock()
	if closed {
		return 0, errClosed
	}
	n, err := b.source.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	if int64(len(b.sent)+n) <= b.length { // a transport refuses to send more
		b.sent = append(b.sent, p[:n]...)
	}
	b.ended = b.ended || errors.Is(err, io.EOF)
	return n, err
}

func (b *Body) close(turn int) error {
	b.mu.Lock()
	mine := turn == b.turn
	b.closed = b.closed || mine
	forward := mine && (b.begun || b.released)
	b.mu.Unlock()
	if forward {
		return b.source.Close()
	}
	return nil
}

// Release closes the source if an attempt has closed the body before, and lets it do so from
// now on.
func (b *Body) Release() {
	b.mu.Lock()
	forward := b.closed && !b.begun && !b.released
	b.released = true
	b.mu.Unlock()
	if forward {
		_ = b.source.Close()
	}
}

// Again returns the body for another attempt: all that was sent, or the body itself if nothing
// was, and nothing will be. It reports false if a part of it was sent, or may still be.
func (b *Body) Again() (body io.ReadCloser, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended && int64(len(b.sent)) == b.length:
		return io.NopCloser(bytes.NewReader(b.sent)), true
	case b.closed && !b.begun:
		b.closed = false
		b.turn++
		return later{b, b.turn}, true
	}
	return nil, false
}
