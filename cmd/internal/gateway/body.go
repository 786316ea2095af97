package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// idleBody is the body of an answer. It is closed when its next byte does not come
// within idle, if there is such a limit. The clock runs during each read and not
// between them, so that time in which the client, not the upstream, is slow does not
// count.
type idleBody struct {
	io.ReadCloser

	idle    time.Duration // 0: no limit
	info    *requestInfo  // of the request that it answers
	alarms  *alarms
	alarm   *alarm // from the first read to the last one, unless it went off
	expired atomic.Bool
}

func (b *idleBody) expire() {
	b.expired.Store(true)
	_ = b.ReadCloser.Close() // wakes the reader, which reports the reason
}

func (b *idleBody) Read(p []byte) (int, error) {
	stopped := b.info.stopClock()
	b.info.transfer.asks()
	b.setAlarm()
	n, err := b.ReadCloser.Read(p)
	if b.alarm != nil && !b.alarm.timer.Stop() {
		b.alarm = nil
	}
	if err == nil {
		b.info.transfer.hears()
		return n, nil
	}
	if b.alarm != nil {
		b.alarms.put(b.alarm)
		b.alarm = nil
	}
	if stopped { // trailers and what is left in buffers are to come
		b.info.startClock()
	}
	if !errors.Is(err, io.EOF) {
		if b.expired.Load() {
			err = errBodyIdle
		}
		b.info.brokeOff(err)
	}
	return n, err
}

func (b *idleBody) setAlarm() {
	if b.idle == 0 {
		return
	}
	if b.alarm == nil {
		b.alarm = b.alarms.get(b)
	}
	b.alarm.timer.Reset(b.idle)
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

	ended  atomic.Bool // all of it was read
	woken  atomic.Bool
	failed atomic.Bool // the client left it unfinished, or sent too much
	// stoodStill tells that it failed because nothing came for the idle time.
	stoodStill atomic.Bool
	received   atomic.Uint64 // bytes
	spoken     atomic.Int64  // when it last moved, or the answer did: see talkBody
	starved    atomic.Bool   // it was the client that was waited for when the time was over

	// mu guards the fields below, and is held while a deadline is set.
	mu        sync.Mutex
	idle      time.Duration  // 0: no limit
	deadlines deadlineSetter // nil once the handler has returned
	reading   bool           // the client is waited for
	unwanted  bool           // the upstream takes no more
	asksFirst bool           // the client waits for 100 (Continue)
	waits     waits
}

func (b *uploadBody) setDeadline(at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setDeadlineLocked(at)
}

func (b *uploadBody) setDeadlineLocked(at time.Time) {
	if b.deadlines != nil {
		_ = b.deadlines.SetReadDeadline(at) // a closed connection is told by Read
	}
}

// allow gives the client another idle time to go on.
func (b *uploadBody) allow(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowLocked(now)
}

func (b *uploadBody) allowLocked(now time.Time) {
	if b.idle > 0 {
		b.setDeadlineLocked(now.Add(b.idle))
	}
}

// follow makes the limit that of the answer, which began before the upload ended.
func (b *uploadBody) follow(idle time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle == idle {
		return
	}
	if b.idle = idle; idle == 0 && !b.woken.Load() {
		b.setDeadlineLocked(time.Time{})
	}
}

// leave is called before the handler returns.
func (b *uploadBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deadlines = nil
}

func (b *uploadBody) Read(p []byte) (int, error) {
	if b.ended.Load() { // the server closes its body when the answer begins, and would say so instead
		return 0, io.EOF
	}
	if !b.asks(time.Now()) || b.woken.Load() { // after the deadline was set: wake sets its own after woken
		b.hears(time.Now())
		return 0, errUploadFailed
	}
	n, err := b.ReadCloser.Read(p)
	b.received.Add(uint64(n))
	b.hears(time.Now())
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
		// The server goes on reading in the background to notice a client that
		// leaves; a deadline left behind would look like one. After a fault it stays:
		// without it the server would wait for the rest of the body.
		b.setDeadline(time.Time{})
	}
	if err != nil && !errors.Is(err, io.EOF) && !b.isUnwanted() {
		b.stoodStill.Store(errors.Is(err, os.ErrDeadlineExceeded) && !b.woken.Load())
		b.failed.Store(true)
	}
	return n, uploadError(err)
}

// asks and hears stand around each read from the client. It reports false if nobody
// wants more.
func (b *uploadBody) asks(now time.Time) bool {
	b.moved(now)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.allowLocked(now)
	b.waits.forUpstream(now)
	b.reading = true
	return !b.unwanted
}

func (b *uploadBody) hears(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waits.forClient(now)
	b.reading = false
}

// held reports whether the client has held up the upload: an upstream that has a
// limit of its own for slow requests then gives up, and is right to.
func (b *uploadBody) held(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := b.waits
	if b.reading {
		w.forClient(now)
	} else {
		w.forUpstream(now)
	}
	return w.held()
}

// blames reports whether f is the doing of the client that uploads: it was the one
// waited for when the time was over, or when the upstream gave up.
func (b *uploadBody) blames(f *fault.Error, now time.Time) bool {
	return f.Code() == fault.CallTimeout && (b.starved.Load() || b.isAwaited()) || b.failed.Load() || b.held(now)
}

// faultOf is the flag of a request for which the client that uploads is blamed.
func (b *uploadBody) faultOf(f *fault.Error) flags {
	if f.Code() == fault.CallTimeout || b.failed.Load() {
		return flagClientNotSending
	}
	return flagClientSlow
}

// wake ends a read that waits for the client. The transport waits for that read
// before it gives up a request, and the guard's place is held as long.
func (b *uploadBody) wake() {
	if b.ended.Load() {
		return // what the server reads now is not ours
	}
	b.starved.Store(b.isAwaited())
	b.woken.Store(true)
	b.setDeadline(time.Now())
}

// sentBody is the body of the request to the upstream. The transport closes it when
// the upstream takes no more of it, because it has answered to the end or reset the
// stream; over HTTP/2 it waits for a read from the client then, who may say nothing
// before he has heard what became of his call.
type sentBody struct {
	io.ReadCloser

	upload *uploadBody
}

// Close implements io.Closer.
func (b sentBody) Close() error {
	b.upload.drop()
	return b.ReadCloser.Close()
}

// drop ends a read that waits for the client. What the client sends apart from that
// is the server's to drain.
func (b *uploadBody) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.unwanted = true; b.reading {
		b.setDeadlineLocked(time.Now())
	}
}

// isUnwanted reports whether the upstream takes no more: a read that fails then was
// ended by drop, and not by the client.
func (b *uploadBody) isUnwanted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unwanted
}

// isAwaited reports whether it is the client that is waited for: it sends nothing, or
// has asked whether it should, which takes time that the upstream need not know of.
func (b *uploadBody) isAwaited() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reading || b.asksFirst && b.waits.since.IsZero()
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
