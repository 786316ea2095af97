package eventstore

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/fault"
)

// The bounds of one event and of one batch.
const (
	MaxData  = 1 << 20 // bytes of Event.Data
	MaxText  = 256     // bytes of each of the other texts of an event
	MaxBatch = 10_000  // events of one Append
)

// Event is one thing that happened. Only Type is required; [Store.Append] fills in
// ID, Time and Severity where they are empty, and always Seq.
type Event struct {
	// ID is a UUID in its canonical text. Events that the store names get one of
	// version 7. A caller that may have to repeat an Append names its events itself:
	// the repetition is then refused with already_exists instead of stored twice.
	ID string `json:"id"`
	// Seq is the place of the event in the store, ascending in the order of commits;
	// places may be missing. Append ignores what it is given.
	Seq uint64 `json:"seq"`
	// Type says what happened, as in "circuit_breaker.state_change": letters, digits
	// and _ . : / -, without the prefix of package telemetry.
	Type string `json:"type"`
	// Time says when, in UTC and to the microsecond; empty means now.
	Time time.Time `json:"time"`
	// Severity is one of info, warning and error; empty means info.
	Severity fault.Severity `json:"severity"`
	// Component is the kind of part, Name its configured name, and Node the process
	// or machine that it happened on.
	Component string `json:"component,omitempty"`
	Name      string `json:"name,omitempty"`
	Node      string `json:"node,omitempty"`
	// Correlation ties together what belongs to one request.
	Correlation string `json:"correlation,omitempty"`
	// Parent is the ID of the event that caused this one. It need not be stored
	// (any more), and in a batch it stands before this event.
	Parent string `json:"parent,omitempty"`
	// Data is a JSON value of at most MaxData bytes, kept as it is; empty if there is none.
	Data json.RawMessage `json:"data,omitempty"`
}

// overhead is roughly what an event occupies besides its texts.
const overhead = 128

// Size is about the number of bytes that the event occupies in memory. It bounds
// pages and memory stores, and is not what a store occupies on disk.
func (e *Event) Size() int {
	return overhead + len(e.ID) + len(e.Type) + len(e.Component) + len(e.Name) + len(e.Node) +
		len(e.Correlation) + len(e.Parent) + len(e.Data)
}

// NewID returns a new id for an event: a UUID of version 7, greater than the ones
// that this process made before. It is safe for concurrent use, and panics only if
// the system has no randomness.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }
