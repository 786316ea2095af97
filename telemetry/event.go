package telemetry

import "github.com/elixirscope/foundation/fault"

// Prefix begins the name of every event of the layer.
const Prefix = "elixir_scope.foundation.infra."

// Event is something that happened. Implementations are structs that are passed
// by value; EventName is called on their zero value and must return a constant
// that begins with [Prefix] for events of the layer.
type Event interface {
	EventName() string
}

// Edge is an event that is rare by its nature and worth keeping: a part has come into
// another state, and not that one more call was made. A recorder listens to these alone,
// see [Bus.SubscribeEdges], so that nothing is built for each call because one is there.
// It may read the event after Emit has returned, on another goroutine: what the event refers
// to, as a slice, a map or an error, must not change any more.
type Edge interface {
	Event
	// Edge returns the name of the part that the event is about, and how loudly it is to
	// be reported. An event that is not worth keeping this time has no severity.
	Edge() (name string, severity fault.Severity)
}
