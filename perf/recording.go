package perf

import (
	"github.com/elixirscope/foundation/telemetry"
)

// Source is an operation that a part of the layer counts, and the monitor pulls.
type Source struct {
	// Name is unique among all operations: the name of a guard as it is, "route:/payments/",
	// "pool:orders:wait".
	Name string
	// Kind says what counts it: "guard", "route", "pool", "operation".
	Kind string
	// Part tells whether the counts are those of the same part as before: comparable.
	Part any
	// Read implements the pull contract of [telemetry.Calls].
	Read func(into *telemetry.Calls, mark uint64) uint64
	// Reasons are what Read splits the calls that did not succeed by; nil is by nothing. At
	// most [telemetry.MaxReasons] are kept.
	Reasons []telemetry.Reason
	// Within names the operations that this one is a part of, whose alerts stand for its own.
	Within []string
}

// operation is one that the monitor watches.
type operation struct {
	Source

	// These belong to whoever pulls.
	mark   uint64
	before *totals // nil until there were calls
	rebase bool    // what the next pull finds was counted while nobody looked

	// These are guarded by the monitor's lock.
	data    *recording // nil until there were calls
	watches watches
}

// recording is what is kept of an operation that has been called.
type recording struct {
	seconds secondRing
	slots   slotRing
	tick    open
	reasons reasonRings
	busy    *busyRing // nil until a call was seen under way
}

func (r *recording) put(second int64, d *delta) {
	r.reasons.put(second/slotSeconds, d)
	r.busy = r.busy.put(second/slotSeconds, d.inFlight)
	r.seconds.put(second, secondOf(d))
	r.slots.advance(second / slotSeconds)
	r.slots.open.add(d)
	r.tick.add(d)
}

func secondOf(d *delta) second {
	return second{small: d.small(), quantile: d.quantiles(), inFlight: clampedBusy(d.inFlight)}
}

// pull asks a source what it has counted since. It reports whether there is anything new.
func (o *operation) pull(now *telemetry.Calls, d *delta) bool {
	now.InFlight = 0
	mark := o.Read(now, o.mark)
	if mark != 0 && mark == o.mark {
		o.rebase = false
		return false
	}
	o.mark = mark
	if o.before == nil {
		if countsOf(now) == (Counts{}) && now.Took.Count() == 0 && now.InFlight == 0 {
			o.rebase = false
			return false
		}
		o.before = new(totals)
	}
	d.since(now, o.before, min(len(o.Reasons), telemetry.MaxReasons))
	if o.rebase {
		o.rebase = false
		return false
	}
	return d.Counts != (Counts{}) || d.n > 0 || d.inFlight > 0
}
