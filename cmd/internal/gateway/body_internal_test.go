package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// trickle delivers one byte after each pause.
type trickle struct {
	pauses []time.Duration
	closed chan struct{}
}

func (b *trickle) Read(p []byte) (int, error) {
	if len(b.pauses) == 0 {
		return 0, io.EOF
	}
	timer := time.NewTimer(b.pauses[0])
	defer timer.Stop()
	select {
	case <-timer.C:
		b.pauses = b.pauses[1:]
		p[0] = 'x'
		return 1, nil
	case <-b.closed:
		return 0, errors.New("read on closed body")
	}
}

func (b *trickle) Close() error {
	close(b.closed)
	return nil
}

func TestIdleBody_LetsASlowBodyFinishAndEndsAStandingOne(t *testing.T) {
	for _, c := range []struct {
		name   string
		pauses []time.Duration
		bytes  int
		err    error
	}{
		{"long but moving", []time.Duration{9 * time.Second, 9 * time.Second, 9 * time.Second}, 3, nil},
		{"stands still", []time.Duration{time.Second, 11 * time.Second, time.Second}, 1, errBodyIdle},
	} {
		synctest.Test(t, func(t *testing.T) {
			body := newIdleBody(&trickle{c.pauses, make(chan struct{})}, new(alarms))
			got, err := io.ReadAll(body)
			if len(got) != c.bytes || !errors.Is(err, c.err) {
				t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
			}
		})
	}
}

func TestIdleBody_ASlowReaderIsNotTheUpstreamsFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := newIdleBody(&trickle{[]time.Duration{0, 0}, make(chan struct{})}, new(alarms))
		one := make([]byte, 1)
		for range 2 {
			if _, err := body.Read(one); err != nil {
				t.Fatal(err)
			}
			wait(time.Minute) // the client takes its time
		}
		if err := body.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// An alarm that was used before tells the body that has it now, and no other.
func TestIdleBody_AlarmsAreUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var shared alarms
		for range 20 {
			first := newIdleBody(io.NopCloser(strings.NewReader("all of it")), &shared)
			if _, err := io.ReadAll(first); err != nil {
				t.Fatal(err)
			}
			second := newIdleBody(&trickle{[]time.Duration{11 * time.Second}, make(chan struct{})}, &shared)
			if _, err := io.ReadAll(second); !errors.Is(err, errBodyIdle) {
				t.Errorf("a body that stands still ended with %v", err)
			}
			if wait(time.Minute); first.expired.Load() {
				t.Fatal("the alarm of a body that stood still went off for one that had ended")
			}
		}
	})
}

// deaf delivers although it was closed, as a byte does that comes in the very
// moment of the alarm.
type deaf struct{ trickle }

func (b *deaf) Close() error { return nil }

// Its message may still be on the way when the body ends and another one begins.
func TestIdleBody_AnAlarmThatWentOffIsNotUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := newIdleBody(&deaf{trickle{pauses: []time.Duration{11 * time.Second}}}, new(alarms))
		body.alarm = body.alarms.get(body)
		gone := body.alarm
		if _, err := body.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if body.alarm == gone {
			t.Error("the next read sets the same alarm")
		}
		if _, err := io.ReadAll(body); err != nil || gone.body != body {
			t.Errorf("the alarm is for %v now: %v", gone.body, err)
		}
	})
}

func newIdleBody(body io.ReadCloser, shared *alarms) *idleBody {
	return &idleBody{ReadCloser: body, idle: 10 * time.Second, info: &requestInfo{transfer: transfer{ctx: context.Background(), declared: true}}, alarms: shared}
}

func wait(d time.Duration) { <-time.NewTimer(d).C }

// deadlines notes what is set on a connection.
type deadlines struct{ read []time.Time }

func (d *deadlines) SetReadDeadline(t time.Time) error { d.read = append(d.read, t); return nil }
func (d *deadlines) SetWriteDeadline(time.Time) error  { return nil }

// The end of a request's time may come when its body was read long ago and the
// connection serves the next request, which it must not cut.
func TestUploadBody_IsNotWokenAfterItsEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		whole bool
		want  int // deadlines set by wake
	}{{"the body was read", true, 0}, {"more of it is to come", false, 1}} {
		var d deadlines
		body := &uploadBody{ReadCloser: io.NopCloser(strings.NewReader("abc")), deadlines: &d, idle: time.Minute}
		if c.whole {
			if _, err := io.ReadAll(body); err != nil {
				t.Fatal(err)
			}
		}
		before := len(d.read)
		body.wake()
		if got := len(d.read) - before; got != c.want {
			t.Errorf("%s: wake set %d deadlines, want %d", c.name, got, c.want)
		}
	}
}

// The transport may read on, and the time may be over, after the handler returned.
func TestUploadBody_SetsNoDeadlineOnceTheHandlerHasReturned(t *testing.T) {
	var d deadlines
	body := &uploadBody{ReadCloser: io.NopCloser(strings.NewReader("abc")), deadlines: &d, idle: time.Minute}
	body.leave()
	_, _ = body.Read(make([]byte, 1))
	body.wake()
	_, _ = io.ReadAll(body)
	if len(d.read) > 0 {
		t.Errorf("set %v", d.read)
	}
}

// dropped is a client from whom nothing comes until the upstream wants no more.
type dropped struct{ upload *uploadBody }

func (d *dropped) Read([]byte) (int, error) {
	d.upload.drop()
	return 0, os.ErrDeadlineExceeded
}

func (*dropped) Close() error { return nil }

// What ends then is not the client's doing, or an upstream that dies in the middle of
// an upload would never have failed.
func TestUploadBody_AReadThatTheUpstreamsEndCutsShortIsNotTheClientsFault(t *testing.T) {
	client := &dropped{}
	client.upload = &uploadBody{ReadCloser: client, deadlines: &deadlines{}, idle: time.Minute}
	if _, err := client.upload.Read(make([]byte, 1)); err == nil || client.upload.failed.Load() {
		t.Errorf("%v, the client failed: %v", err, client.upload.failed.Load())
	}
}

// once is a body that ends with its first read and is closed then, as the server of
// HTTP/1 closes it when the answer begins.
type once struct{ read bool }

func (o *once) Read([]byte) (int, error) {
	if o.read {
		return 0, http.ErrBodyReadAfterClose
	}
	o.read = true
	return 1, io.EOF
}

func (*once) Close() error { return nil }

// The transport reads once more to be sure. What it is told then ends the connection
// to the upstream, in the middle of the answer.
func TestUploadBody_TheEndStaysTheEnd(t *testing.T) {
	upload := &uploadBody{ReadCloser: &once{}, deadlines: &deadlines{}, idle: time.Minute}
	for range 3 {
		if _, err := upload.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read %v", err)
		}
	}
}
