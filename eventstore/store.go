package eventstore

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/fault"
)

// Store keeps events. Implementations are safe for concurrent use and obey the
// context. Their errors are faults: invalid_argument and already_exists for what the
// caller did wrong, canceled when the context ended, unavailable when the store
// cannot be reached or written, data_corrupt when what it holds fails a check, and
// closed after Close.
type Store interface {
	// Append stores the events, all or none, and returns them as they are stored.
	// When it returns without an error they are as durable as the store can make them.
	// An event whose ID is stored already is refused with already_exists. All faults
	// of a batch are reported at once. If the context ends while the batch is being
	// written, the fault is canceled and the events may be stored or not; an ID of the
	// caller's own tells when the same batch is appended again.
	Append(ctx context.Context, events ...Event) ([]Event, error)
	// Find returns the events that match, a page at a time. It looks through a bounded
	// part of the store, so that it holds up nobody for long, and [Page] says whether
	// there is more.
	Find(ctx context.Context, q Query) (Page, error)
	// Prune removes what r does not keep and returns how many events that was, also
	// when an error ended it early. Appending goes on meanwhile.
	Prune(ctx context.Context, r Retention) (int, error)
	// Stats says what the store holds.
	Stats(ctx context.Context) (Stats, error)
	// Close ends the store once the appends that wait are stored. Everything after
	// it is refused with closed, a further Close does nothing.
	Close() error
}

// Notifier is what a [Store] may implement besides, if it knows of every commit:
// [Feed] then hears also of those that do not pass through it.
type Notifier interface {
	// Notify calls wake after every commit that added events and at Close, until
	// stop is called. Wake returns at once and is called under no lock.
	Notify(wake func()) (stop func())
}

// Retention says what to keep. The zero value keeps everything.
type Retention struct {
	// Before removes events whose Time is earlier.
	Before time.Time
	// MaxBytes removes the events with the lowest Seq until Stats.Bytes is no more
	// than this, or nothing is left; 0 means no bound.
	MaxBytes int64
}

// Validate returns an invalid_argument fault if the retention makes no sense.
func (r *Retention) Validate() error {
	var ps fault.Problems
	ps.Require(r.MaxBytes >= 0, "max_bytes", r.MaxBytes, "must not be negative")
	checkTime(&ps, "before", r.Before)
	return invalid(ps, "the retention is invalid; nothing was removed")
}

// Stats is what a store holds.
type Stats struct {
	// Durable says whether the events outlive the process.
	Durable bool `json:"durable"`
	// Events is their number.
	Events int `json:"events"`
	// Bytes is what they occupy, on disk with the indexes if that is where they are.
	Bytes int64 `json:"bytes"`
	// Oldest and Newest are the lowest and the highest Seq that are stored, 0 if
	// there is none.
	Oldest uint64 `json:"oldest"`
	Newest uint64 `json:"newest"`
}
