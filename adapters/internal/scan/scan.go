// Package scan bounds how much of a store one query for events looks through where no
// index helps: a rare type may be looked for in millions of events, and as long as a
// query runs a database can clean nothing up.
package scan

import "github.com/elixirscope/foundation/eventstore"

const (
	// Most is how many events one query looks through.
	Most = 100_000
	// Few is how many events of a range of time are fetched and sorted rather than found
	// by going through all events in their order.
	Few = 10_000
)

// NearEnd reports whether the query continues so close to the newest event that going
// through what is left is cheaper than asking how much of it is in a range of time: a
// reader that follows the events asks after every commit.
func NearEnd(q *eventstore.Query, newest uint64) bool {
	return q.Order == eventstore.Ascending && q.After > 0 && (q.After >= newest || newest-q.After < Few)
}

// Stretch is the cursor behind the events that the query may look through, 0 if that is
// all that there are between the oldest and the newest. Places are counted and not
// events, which are fewer where some were pruned.
func Stretch(q *eventstore.Query, oldest, newest uint64) uint64 {
	if q.Order == eventstore.Descending {
		from := newest + 1
		if q.After > 0 {
			from = min(from, q.After)
		}
		if from <= oldest || from-oldest <= Most {
			return 0
		}
		return from - Most
	}
	from := max(q.After, max(oldest, 1)-1)
	if newest <= from || newest-from <= Most {
		return 0
	}
	return from + Most
}
