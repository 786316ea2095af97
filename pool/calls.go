package pool

import "github.com/elixirscope/foundation/telemetry"

// ReadWaits implements the pull contract of [telemetry.Calls] for the borrowers of the
// pool: how long they waited, and how many got no worker. Those that waited in vain have
// failed, and their wait is among the durations.
func (p *Pool[T]) ReadWaits(into *telemetry.Calls, mark uint64) uint64 {
	p.mu.Lock()
	c, waiting := p.counts, p.queue.len
	p.mu.Unlock()
	lends := p.lanes.lends()
	now := 1 + c.checkouts + lends + c.timeouts + c.failed + c.full + c.canceled + p.wait.Count()
	if mark == now && waiting == 0 {
		return mark
	}
	into.InFlight = uint64(waiting)
	into.Took = telemetry.Durations{}
	into.Took.AddBucket(0, c.immediate+lends)
	p.wait.AddTo(&into.Took)
	into.Succeeded, into.Failed = c.checkouts+lends, c.timeouts+c.failed+c.full
	into.Ignored, into.Refused = c.canceled, 0
	return settled(now, waiting)
}

// ReadUses implements the pull contract of [telemetry.Calls] for the times for which
// workers were borrowed. How the work ended a pool does not know: all have succeeded.
func (p *Pool[T]) ReadUses(into *telemetry.Calls, mark uint64) uint64 {
	p.mu.Lock()
	p.sweepLocked() // what rests in a lane is not lent
	lent := p.lent
	p.mu.Unlock()
	now := 1 + p.hold.Count()
	if mark == now && lent == 0 {
		return mark
	}
	into.InFlight = uint64(lent)
	into.Took = telemetry.Durations{}
	p.hold.AddTo(&into.Took)
	into.Succeeded, into.Failed, into.Ignored, into.Refused = into.Took.Count(), 0, 0, 0
	return settled(now, lent)
}

// settled is a mark for the next pull, 0 where that must not be left out.
func settled(mark uint64, inFlight int) uint64 {
	if inFlight > 0 {
		return 0
	}
	return mark
}
