package gateway

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// idleBody closes a response body whose next byte does not come within idle.
// The clock runs during each read and not between them, so that time in which
// the client, not the upstream, is slow does not count.
type idleBody struct {
	io.ReadCloser

	idle    time.Duration
	timer   *time.Timer // made by the first read
	expired atomic.Bool
}

func newIdleBody(body io.ReadCloser, idle time.Duration) *idleBody {
	return &idleBody{ReadCloser: body, idle: idle}
}

func (b *idleBody) expire() {
	b.expired.Store(true)
	_ = b.ReadCloser.Close() // wakes the reader, which reports the reason
}

func (b *idleBody) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.idle, b.expire)
	} else {
		b.timer.Reset(b.idle)
	}
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && b.expired.Load() {
		err = errBodyIdle
	}
	return n, err
}

// errUploadFailed marks an error of reading what the client sends: the transport
// reports it as its own, and the upstream is not to blame.
var errUploadFailed = errors.New("the client's body ended early")

func uploadError(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); err == nil || tooLarge || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("%w: %w", errUploadFailed, err)
}

// uploadBody bounds a request's body: its size, and how long the client may let
// it stand still.
type uploadBody struct {
	io.ReadCloser

	deadlines deadlineSetter
	idle      time.Duration
}

func (b *uploadBody) Read(p []byte) (int, error) {
	_ = b.deadlines.SetReadDeadline(time.Now().Add(b.idle)) // a closed connection is told by Read
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		// The server goes on reading in the background to notice a client that
		// leaves; a deadline left behind would look like one. After a fault it stays:
		// without it the server would wait for the rest of the body.
		_ = b.deadlines.SetReadDeadline(time.Time{})
	}
	return n, uploadError(err)
}
