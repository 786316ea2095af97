package protect

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// wrap returns body as one whose end gives back the call's place. Optional
// methods that callers ask bodies for stay: Write and CloseWrite, where a protocol
// was switched, and WriteTo. The variants hold one pointer and so cost no allocation.
func (x *flight) wrap(body io.ReadCloser) io.ReadCloser {
	x.body = body
	if _, ok := body.(io.Writer); ok {
		return upgradedBody{x}
	}
	if _, ok := body.(io.WriterTo); ok && x.idle.timer == nil { // a stall is seen between reads
		return copyingBody{x}
	}
	return x
}

// Read implements [io.Reader].
func (x *flight) Read(p []byte) (int, error) {
	x.idle.start()
	n, err := x.body.Read(p)
	x.idle.stop()
	if err != nil {
		err = x.readError(err)
	}
	return n, err
}

// Close implements [io.Closer]. The body is closed before the context is
// canceled, or a connection that could be used again would be cut.
func (x *flight) Close() error {
	defer x.end(nil) // also if the body panics
	return x.body.Close()
}

func (x *flight) readError(err error) error {
	broken := err // also if its methods panic
	defer func() { x.end(broken) }()
	if errors.Is(err, io.EOF) {
		broken = nil
		return err
	}
	if cause := x.idle.cause(); cause != nil {
		err, broken = cause, cause
	}
	return err
}

// upgradedBody is the connection after 101: it is written to as well.
type upgradedBody struct{ *flight }

// Write implements [io.Writer].
func (b upgradedBody) Write(p []byte) (int, error) {
	return b.body.(io.Writer).Write(p) //nolint:errcheck,forcetypeassert // wrap has checked it
}

// CloseWrite ends what is sent and leaves open what is received; a reverse proxy
// asks for it.
func (b upgradedBody) CloseWrite() error {
	if half, ok := b.body.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// copyingBody is a body that knows how to copy itself.
type copyingBody struct{ *flight }

// WriteTo implements [io.WriterTo].
func (b copyingBody) WriteTo(w io.Writer) (int64, error) {
	to := watchedWriter{Writer: w}
	n, err := b.body.(io.WriterTo).WriteTo(&to) //nolint:errcheck,forcetypeassert // wrap has checked it
	if to.failed {
		b.end(nil) // where the bytes were to go is no affair of who sent them
	} else {
		b.end(err)
	}
	return n, err
}

// watchedWriter knows whether it failed.
type watchedWriter struct {
	io.Writer
	failed bool
}

// Write implements [io.Writer].
func (w *watchedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.failed = w.failed || err != nil
	return n, err
}

// idleLimit cancels a request whose body stalls. The zero value does not.
type idleLimit struct {
	after   time.Duration
	timer   *time.Timer // never replaced: Read and Close may run at the same time
	cancel  context.CancelCauseFunc
	stalled atomic.Pointer[fault.Error]
}

// prepare returns the context that a stall cancels.
func (l *idleLimit) prepare(parent context.Context, after time.Duration) context.Context {
	ctx, cancel := context.WithCancelCause(parent)
	l.after, l.cancel = after, cancel
	l.timer = time.AfterFunc(after, l.stall)
	l.timer.Stop()
	return ctx
}

func (l *idleLimit) start() {
	if l.timer != nil {
		l.timer.Reset(l.after)
	}
}

func (l *idleLimit) stop() {
	if l.timer != nil {
		l.timer.Stop()
	}
}

func (l *idleLimit) stall() {
	err := fault.New(fault.Spec{
		Code: fault.CallTimeout, Component: "guard", Cause: context.DeadlineExceeded,
		Message:  "the response body stalled",
		Evidence: []fault.Fact{fault.Measure("idle_timeout", l.after.Seconds(), "seconds")},
	})
	l.stalled.Store(err)
	l.cancel(err)
}

// cause is why reading failed, if a stall is the reason.
func (l *idleLimit) cause() error {
	if err := l.stalled.Load(); err != nil {
		return err
	}
	return nil
}

func (l *idleLimit) release() {
	if l.cancel != nil {
		l.timer.Stop()
		l.cancel(nil)
	}
}
