package gateway

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/quick"
	"testing/synctest"
	"time"
)

func TestWaits(t *testing.T) {
	const client, upstream = true, false
	type wait struct {
		forClient bool
		took      time.Duration
	}
	for _, c := range []struct {
		name  string
		waits []wait
		held  bool
	}{
		{"nobody waited", nil, false},
		{"for the client alone", []wait{{client, time.Second}}, true},
		{"for the upstream alone", []wait{{upstream, time.Minute}}, false},
		{"for the client, and what lay in buffers came at once", []wait{{client, 5 * time.Second}, {upstream, time.Microsecond}, {client, 0}, {upstream, time.Microsecond}}, true},
		{"a little at a time", []wait{{client, patience / 4}, {upstream, time.Millisecond}, {client, patience / 2}, {upstream, 0}, {client, patience / 2}}, true},
		{"for the client long ago", []wait{{client, 5 * time.Second}, {upstream, 3 * time.Second}, {client, 0}, {upstream, 3 * time.Second}}, false},
		{"the upstream has nothing in store", []wait{{upstream, time.Hour}, {client, time.Second}}, true},
		{"system calls take their time", []wait{{client, patience - 1}}, false},
	} {
		var w waits
		now := time.Unix(1, 0)
		w.forUpstream(now)
		for _, next := range c.waits {
			now = now.Add(next.took)
			if next.forClient {
				w.forClient(now)
			} else {
				w.forUpstream(now)
			}
		}
		if w.held() != c.held {
			t.Errorf("%s: held %v", c.name, w.held())
		}
	}
}

// Against the definition: the greatest sum over all ends of the history.
func TestWaits_AreTheBalanceSinceTheUpstreamHadCaughtUp(t *testing.T) {
	agree := func(history []int32) bool { // for the client where positive, in nanoseconds
		var w waits
		now := time.Unix(1, 0)
		w.forUpstream(now)
		var want, sum int64
		for _, step := range history {
			if step > 0 {
				now = now.Add(time.Duration(step))
				w.forClient(now)
			} else {
				now = now.Add(-time.Duration(step))
				w.forUpstream(now)
			}
		}
		for _, step := range slices.Backward(history) {
			sum += int64(step)
			want = max(want, sum)
		}
		return int64(w.client) == want
	}
	if err := quick.Check(agree, nil); err != nil {
		t.Error(err)
	}
}

// steps is a body whose reads take as long as they say; the last one breaks off.
type steps struct{ reads []time.Duration }

func (s *steps) Read(p []byte) (int, error) {
	wait(s.reads[0])
	if s.reads = s.reads[1:]; len(s.reads) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return len(p), nil
}

func (s *steps) Close() error { return nil }

func TestIdleBody_SaysWhomItWaitedForWhenItBreaksOff(t *testing.T) {
	for _, c := range []struct {
		name   string
		reads  []time.Duration
		writes []time.Duration // between them
		held   bool
	}{
		{"at once", []time.Duration{0}, nil, false},
		{"the client paused", []time.Duration{0, 0, 0}, []time.Duration{5 * time.Second, 0}, true},
		{"the client paused, the upstream longer", []time.Duration{0, 0, 6 * time.Second}, []time.Duration{5 * time.Second, 0}, false},
		{"the upstream paused first", []time.Duration{6 * time.Second, 0, 0}, []time.Duration{0, time.Second}, true},
		{"nobody paused", []time.Duration{0, time.Millisecond, 0}, []time.Duration{time.Millisecond, 0}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			body := newIdleBody(&steps{c.reads}, new(alarms))
			one := make([]byte, 1)
			for _, pause := range c.writes {
				if _, err := body.Read(one); err != nil {
					t.Fatal(err)
				}
				wait(pause)
			}
			if _, err := body.Read(one); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatal(err)
			}
			if got := body.info.transfer.waits.held(); got != c.held {
				t.Errorf("%s: held by the client %v", c.name, got)
			}
		})
	}
}

func TestUploadBody_SaysWhomItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &uploadBody{ReadCloser: &trickle{[]time.Duration{0, 5 * time.Second, 0}, make(chan struct{})}, deadlines: new(deadlines)}
		one := make([]byte, 1)
		if body.held(time.Now()) {
			t.Error("nothing was read yet")
		}
		for _, step := range []struct {
			pause time.Duration // of the upstream, before it takes more
			held  bool
		}{{time.Minute, false}, {time.Second, true}, {6 * time.Second, false}} {
			wait(step.pause)
			if _, err := body.Read(one); err != nil {
				t.Fatal(err)
			}
			if got := body.held(time.Now()); got != step.held {
				t.Errorf("after a pause of %v: held by the client %v", step.pause, got)
			}
		}
	})
}

// While a read is under way, that is what is waited for.
func TestUploadBody_KnowsThatItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := &uploadBody{ReadCloser: &trickle{[]time.Duration{time.Minute}, make(chan struct{})}, deadlines: new(deadlines)}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer cancel()
			_, _ = body.Read(make([]byte, 1))
		}()
		if wait(time.Second); !body.held(time.Now()) {
			t.Error("the client has been waited for since a second")
		}
		<-ctx.Done()
		if wait(2 * time.Minute); body.held(time.Now()) {
			t.Error("the upstream has been waited for twice as long")
		}
	})
}
