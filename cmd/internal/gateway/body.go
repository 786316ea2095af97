package gateway

import (
	"context"
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

// uploadBody bounds a request's body: how long the client may let it stand still,
// and that nobody waits for the client once the request's time is over.
type uploadBody struct {
	io.ReadCloser

	deadlines deadlineSetter
	idle      time.Duration
	waiting   atomic.Bool // for the client
	ended     atomic.Bool // all of it was read
	woken     atomic.Bool
	starved   atomic.Bool // it was the client that was waited for when the time was over
}

func (b *uploadBody) Read(p []byte) (int, error) {
	_ = b.deadlines.SetReadDeadline(time.Now().Add(b.idle)) // a closed connection is told by Read
	if b.woken.Load() {                                     // after the deadline was set: wake sets its own after woken
		return 0, errUploadFailed
	}
	b.waiting.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.waiting.Store(false)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
		// The server goes on reading in the background to notice a client that
		// leaves; a deadline left behind would look like one. After a fault it stays:
		// without it the server would wait for the rest of the body.
		_ = b.deadlines.SetReadDeadline(time.Time{})
	}
	return n, uploadError(err)
}

// wake ends a read that waits for the client. The transport waits for that read
// before it gives up a request, and the guard's place is held as long.
func (b *uploadBody) wake() {
	if b.ended.Load() {
		return // the connection may already serve its next request
	}
	b.starved.Store(b.waiting.Load())
	b.woken.Store(true)
	_ = b.deadlines.SetReadDeadline(time.Now())
}

// wakeUploads stands between the guard, which ends the request's context when the
// time is over, and the proxy.
func wakeUploads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if upload := infoOf(r.Context()).upload; upload != nil {
			stop := context.AfterFunc(r.Context(), upload.wake)
			defer stop()
		}
		next.ServeHTTP(w, r)
	})
}
