package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// idleBody closes a response body whose next byte does not come within idle.
// The clock runs during each read and not between them, so that time in which
// the client, not the upstream, is slow does not count.
type idleBody struct {
	io.ReadCloser

	idle    time.Duration
	client  *responseWriter // who reads what is read here
	alarms  *alarms
	alarm   *alarm // from the first read to the last one, unless it went off
	expired atomic.Bool
}

func (b *idleBody) expire() {
	b.expired.Store(true)
	_ = b.ReadCloser.Close() // wakes the reader, which reports the reason
}

func (b *idleBody) Read(p []byte) (int, error) {
	if b.alarm == nil {
		b.alarm = b.alarms.get(b)
	}
	stopped := b.client.stopClock()
	b.alarm.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	if !b.alarm.timer.Stop() {
		b.alarm = nil
	}
	if err == nil {
		return n, nil
	}
	if b.alarm != nil {
		b.alarms.put(b.alarm)
		b.alarm = nil
	}
	if stopped { // trailers and what is left in buffers are to come
		b.client.startClock()
	}
	if errors.Is(err, io.EOF) {
		return n, err
	}
	b.client.broken = true
	if b.expired.Load() {
		err = errBodyIdle
	}
	return n, err
}

// alarms keeps the timers of bodies that ended for those that begin: a response
// needs one for some microseconds only. The zero value is ready.
type alarms struct{ pool sync.Pool }

// alarm tells one body at a time that it stood still. One whose timer went off is
// not set again, not even for the same body: it may be about to tell that body when
// another one has it.
type alarm struct {
	timer *time.Timer
	body  *idleBody // changes only while the timer is stopped
}

// get returns an alarm that is not set.
func (a *alarms) get(body *idleBody) *alarm {
	l, ok := a.pool.Get().(*alarm)
	if !ok {
		l = &alarm{}
		l.timer = time.AfterFunc(math.MaxInt64, l.ring)
		l.timer.Stop()
	}
	l.body = body
	return l
}

func (a *alarms) put(l *alarm) {
	l.body = nil
	a.pool.Put(l)
}

func (l *alarm) ring() { l.body.expire() }

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
//
// The transport may go on reading after the handler has returned, and a call of
// wake may still be on its way. The connection is the next request's then, and a
// stream of HTTP/2 is gone, whose deadlines must not even be named.
type uploadBody struct {
	io.ReadCloser

	idle    time.Duration
	waiting atomic.Bool // for the client
	ended   atomic.Bool // all of it was read
	woken   atomic.Bool
	failed  atomic.Bool  // the client left it unfinished, or sent too much
	spoken  atomic.Int64 // when it last moved, or the answer did: see talkBody
	starved atomic.Bool  // it was the client that was waited for when the time was over

	// mu guards deadlines, and is held while one is set.
	mu        sync.Mutex
	deadlines deadlineSetter // nil once the handler has returned
}

func (b *uploadBody) setDeadline(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.deadlines != nil {
		_ = b.deadlines.SetReadDeadline(at) // a closed connection is told by Read
	}
}

// leave is called before the handler returns.
func (b *uploadBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadlines = nil
}

func (b *uploadBody) Read(p []byte) (int, error) {
	now := time.Now()
	b.moved(now)
	b.setDeadline(now.Add(b.idle))
	if b.woken.Load() { // after the deadline was set: wake sets its own after woken
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
		b.setDeadline(time.Time{})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed.Store(true)
	}
	return n, uploadError(err)
}

// wake ends a read that waits for the client. The transport waits for that read
// before it gives up a request, and the guard's place is held as long.
func (b *uploadBody) wake() {
	if b.ended.Load() {
		return // what the server reads now is not ours
	}
	b.starved.Store(b.waiting.Load())
	b.woken.Store(true)
	b.setDeadline(time.Now())
}

// wakeUploads stands between the guard, which ends the request's context when the
// time is over, and the proxy.
func wakeUploads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		if upload := infoOf(r.Context()).upload; upload != nil {
			stop := context.AfterFunc(r.Context(), upload.wake)
			defer stop()
		}
		next.ServeHTTP(w, r)
	})
}
