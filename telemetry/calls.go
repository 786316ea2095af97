package telemetry

import "github.com/elixirscope/foundation/internal/histogram"

// Calls are the calls of one operation from its beginning on, as a monitor pulls them from
// the part that counts them. The value belongs to whoever pulls, who uses it again and
// again, so that pulling allocates nothing. The zero value has no calls.
//
// A part offers a method ReadCalls(into *Calls, mark uint64) uint64. It replaces what into
// holds and returns a mark; given the mark of an earlier call it may leave into alone and
// return the same mark, which says that nothing was counted since. A mark of 0 is never
// returned for that: it says that the part cannot tell. A part whose calls are under way
// does not return the same mark.
type Calls struct {
	// Took are the durations that the latency is judged by: of a guard those of the calls
	// that succeeded, of a pool those of all waits.
	Took Durations
	// Every call is counted in one of these.
	Succeeded, Failed uint64
	Ignored           uint64 // said nothing about the operation: the caller gave up
	Refused           uint64 // did not run
	// InFlight are the calls that are under way, of a pool the workers that are lent, or those
	// who wait for one. Whoever pulls sets it to 0 before: a part that does not know leaves it.
	InFlight uint64
	// Reasons split the calls, most of all those that did not succeed, in the order in which the part lists
	// them. A part that lists none leaves them alone.
	Reasons [MaxReasons]uint64
}

// MaxReasons is how many reasons a part can list.
const MaxReasons = 48

// Reason is one of the ways in which calls end.
type Reason struct {
	// Of says what the calls are counted in: "failed", "ignored" or "refused"; or "status":
	// all calls are, also those that succeeded, by the class of their answer.
	Of string
	// Name is a fault code or a class, as in "call_timeout", "rate_limited" or "dns"; "" is
	// of a place that is not used.
	Name string
}

// Durations is a histogram of durations at one moment, whose buckets are at most 1/32 of
// their lower bound wide. It implements [Distribution] in seconds.
type Durations = histogram.Snapshot
