package gateway

import "time"

// patience is how much longer the client must have been waited for than the
// upstream until the end of a copy says nothing about the upstream. Below it, time
// that passed in system calls would pass for waiting; an upstream that gives up so
// soon would give up on every client.
const patience = 250 * time.Millisecond

// waits measures whom a copy between client and upstream waits for: one of the two
// at any time. What the upstream is waited for makes up for what the client was: an
// upstream that is served again catches up, and what happens to it later is its own.
//
// An upstream that has a limit of its own for slow clients gives up in the middle of
// an answer. That it did is noticed only when the buffers between are empty, long
// after the client goes on reading; so what counts is not what is waited for at the
// end, but the balance.
//
// It is a pure function of the times that it is told. The zero value has waited for
// nobody.
type waits struct {
	since  time.Time     // when the wait that runs began
	client time.Duration // how much longer the client was waited for
}

// forClient ends a wait for the client.
func (w *waits) forClient(now time.Time) {
	if !w.since.IsZero() {
		w.client += now.Sub(w.since)
	}
	w.since = now
}

// forUpstream ends a wait for the upstream.
func (w *waits) forUpstream(now time.Time) {
	if !w.since.IsZero() {
		w.client = max(0, w.client-now.Sub(w.since))
	}
	w.since = now
}

// held reports whether the client held up the copy.
func (w *waits) held() bool { return w.client >= patience }
