package eventstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// noted is an event as it was emitted. It is written out later: whoever emits it waits.
type noted struct {
	event       telemetry.Edge
	kind        string // its name, with the prefix
	name        string // of the part
	severity    fault.Severity
	correlation string
	trace       string
	at          time.Time
}

// read asks an event what it is about. That is code of the user's, as the values of ctx are.
func (n *noted) read(ctx context.Context) {
	n.kind = n.event.EventName()
	n.name, n.severity = n.event.Edge()
	n.correlation, n.trace = telemetry.Correlation(ctx), telemetry.TraceID(ctx)
}

// header is the event without its data. The id is given here, so that a batch of which
// nobody knows whether it was stored can be appended again.
func (n *noted) header(node string) Event {
	kind := strings.TrimPrefix(n.kind, telemetry.Prefix)
	component, _, _ := strings.Cut(kind, ".")
	return Event{
		ID: NewID(), Type: kind, Time: n.at, Severity: n.severity, Component: clip(component),
		Name: clip(n.name), Node: clip(node), Correlation: clip(n.correlation),
	}
}

// clip makes of a text what a store takes.
func clip(text string) string {
	if strings.IndexByte(text, 0) >= 0 {
		text = strings.ReplaceAll(text, "\x00", "")
	}
	return strings.ToValidUTF8(text[:min(len(text), MaxText)], "")
}

// queue holds events in the order in which they came, in a ring that grows and stays: an
// emitter seldom waits for memory.
type queue struct {
	ring     []noted
	first, n int
}

const smallestRing = 64

func (q *queue) push(n noted) {
	q.reserve(1)
	q.ring[(q.first+q.n)%len(q.ring)] = n
	q.n++
}

// take removes at most so many, and lets go of what they refer to.
func (q *queue) take(most int) []noted {
	out := make([]noted, min(most, q.n))
	for i := range out {
		out[i] = q.ring[q.first]
		q.ring[q.first] = noted{}
		q.first = (q.first + 1) % len(q.ring)
	}
	q.n -= len(out)
	return out
}

// putBack undoes take for the last of what it returned.
func (q *queue) putBack(rest []noted) {
	q.reserve(len(rest))
	for _, n := range slices.Backward(rest) {
		q.first = (q.first + len(q.ring) - 1) % len(q.ring)
		q.ring[q.first] = n
		q.n++
	}
}

func (q *queue) reserve(more int) {
	if q.n+more <= len(q.ring) {
		return
	}
	ring := make([]noted, max(2*len(q.ring), q.n+more, smallestRing))
	at := copy(ring, q.ring[q.first:])
	copy(ring[at:], q.ring[:q.first])
	q.ring, q.first = ring, 0
}
