package gateway

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/guard"
)

// talkBody is the body of a response that began while its request was still being
// sent, as the streams of gRPC do. Each side may listen for as long as the other
// talks: what stands still is the conversation, once nobody has said anything for
// the idle time. Then it cannot be told who should have, and so it says nothing
// about the upstream; else anybody could open the breaker with streams on which he
// is silent.
type talkBody struct {
	io.ReadCloser

	upload  *uploadBody
	info    *requestInfo  // of the request that it answers
	idle    time.Duration // 0: no limit
	timer   *time.Timer   // nil without a limit
	reading atomic.Bool
	expired atomic.Bool
}

func newTalkBody(body io.ReadCloser, info *requestInfo, idle time.Duration) *talkBody {
	b := &talkBody{ReadCloser: body, upload: info.upload, info: info, idle: idle}
	b.upload.follow(idle)
	if idle > 0 {
		b.timer = time.AfterFunc(idle, b.ring)
	}
	return b
}

// ring looks whether anybody has spoken since the timer was set. It may come at any
// time, also when the body has ended, and then does nothing.
func (b *talkBody) ring() {
	if !b.reading.Load() {
		return // the next read sets the timer
	}
	if quiet := b.upload.quiet(time.Now()); quiet < b.idle {
		b.timer.Reset(b.idle - quiet)
		return
	}
	b.expired.Store(true)
	_ = b.ReadCloser.Close() // wakes the reader
}

func (b *talkBody) Read(p []byte) (int, error) {
	stopped := b.info.stopClock()
	b.info.transfer.asks()
	b.upload.moved(time.Now())
	b.reading.Store(true)
	if b.timer != nil {
		b.timer.Reset(b.idle)
	}
	n, err := b.ReadCloser.Read(p)
	b.reading.Store(false)
	if err == nil {
		b.info.transfer.hears()
		b.upload.extend(time.Now())
		return n, nil
	}
	b.stop()
	if stopped { // trailers and what is left in buffers are to come
		b.info.startClock()
	}
	if !errors.Is(err, io.EOF) {
		err = b.blame(err)
	}
	return n, err
}

// Close implements io.Closer.
func (b *talkBody) Close() error {
	b.stop()
	return b.ReadCloser.Close()
}

func (b *talkBody) stop() {
	if b.timer != nil {
		b.timer.Stop()
	}
}

// blame says why a conversation broke off.
func (b *talkBody) blame(err error) error {
	if b.expired.Load() {
		err = errBodyIdle
	}
	// Both limits of a silent conversation pass at one time: whichever is noticed first, nobody
	// has spoken.
	switch {
	case (b.expired.Load() || b.upload.stoodStill.Load()) && !b.upload.ended.Load(): // which ends the upload as well
		b.info.brokeOff(guard.Neutral(err))
	case b.upload.failed.Load():
		b.info.flag(flagClientNotSending)
		b.info.brokeOff(guard.Neutral(err))
	default:
		b.info.brokeOff(err)
	}
	return err
}

// moved notes that somebody spoke.
func (b *uploadBody) moved(now time.Time) { b.spoken.Store(now.UnixNano()) }

// quiet is how long nobody has.
func (b *uploadBody) quiet(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - b.spoken.Load())
}

// extend gives a client that listens another idle time to speak.
func (b *uploadBody) extend(now time.Time) {
	b.moved(now)
	if b.ended.Load() {
		return
	}
	b.allow(now)
	switch { // what others have set meanwhile is to stand
	case b.ended.Load():
		b.setDeadline(time.Time{})
	case b.woken.Load():
		b.setDeadline(now)
	}
}
