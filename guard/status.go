package guard

import (
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

// Status describes a guard at one moment, for people and for the admin interface.
// Counters run from the making of the guard, over all revisions.
type Status struct {
	Name     string
	Revision uint64 // 1 at first, and one more for every change of the settings
	// Gone is why the guard answers no calls: it was removed, or closed; nil if it
	// is there.
	Gone   *fault.Error
	Config Config // in force, defaults filled in
	// Breaker, RateLimit and Pool are the names of the parts, "" where there is none.
	Breaker, RateLimit, Pool string
	Protections              []string // the names of those that are configured; do not change it

	InFlight   int64 // calls that have begun and not ended
	SlotsTaken int64 // of the bound on concurrency
	// Concurrency is the bound of Config.AdaptiveConcurrency now; nil without it.
	Concurrency *ConcurrencyStatus
	Detached    int64 // detached calls that ran past their time and have not ended

	Results        map[Result]uint64     // every result, also at 0
	Refused        map[fault.Code]uint64 // every usual reason, also at 0
	WouldRefuse    map[fault.Code]uint64 // what shadow mode kept to itself
	DetachedTotal  uint64                // detached calls that ever ran past their time
	DetachedPanics uint64                // those that panicked afterwards
	LeasesExpired  uint64
	Retries        RetryStatus
	Hedges         HedgeStatus
	Duration       telemetry.Summary // of calls that succeeded, without waiting
	Wait           telemetry.Summary // for a turn of a leaky bucket and for a worker, of calls that waited or were refused by the pool
}

// reasons are the codes that a guard's refusals are counted under; those of a
// user's own admitter may be others.
var reasons = []fault.Code{
	fault.Canceled, fault.MemoryPressure, fault.ConcurrencyLimited, fault.CircuitOpen, fault.RateLimited,
	fault.PoolFull, fault.PoolTimeout, fault.WorkerFailed, fault.NotFound, fault.Closed, fault.InvalidArgument, fault.Unavailable,
}

// shadowReasons are those that shadow mode counts.
var shadowReasons = []fault.Code{
	fault.MemoryPressure, fault.ConcurrencyLimited, fault.CircuitOpen, fault.RateLimited, fault.InvalidArgument, fault.CallTimeout,
}

// Status returns a picture of the guard.
func (g *Guard) Status() Status {
	r, s := g.revision.Load(), &g.stats
	ended, results := uint64(0), make(map[Result]uint64, resultCount)
	for i := range s.took { // before what was admitted is read: what ends meanwhile is in flight
		n := s.took[i].count()
		results[Result(i)] = n
		ended += n
	}
	status := Status{
		Name: g.name, Revision: r.number, Gone: r.gone, Config: r.config, Protections: r.active,
		InFlight: s.inFlightOf(ended), SlotsTaken: g.slots.used.Load(), Detached: g.detached.Load(),
		Results: results, Refused: s.refused.list(reasons), WouldRefuse: s.would.list(shadowReasons),
		DetachedTotal: s.detached.Load(), DetachedPanics: s.panics.Load(), LeasesExpired: s.leases.Load(),
		Retries:  g.retryStatus(r),
		Hedges:   g.hedgeStatus(r),
		Duration: telemetry.Summarize(s.took[Succeeded].snapshot()), Wait: telemetry.Summarize(s.wait.snapshot()),
	}
	status.Breaker, status.RateLimit, status.Pool = r.names()
	if r.follower != nil {
		c := r.follower.status()
		status.Concurrency = &c
	}
	return status
}

// names are those of the parts.
func (r *revision) names() (breaker, limit, pool string) {
	c := &r.config
	switch {
	case c.Breaker != nil:
		breaker = c.Breaker.Name()
	case c.Breakers != nil:
		breaker = c.Breakers.Name()
	}
	if c.RateLimit != nil {
		limit = c.RateLimit.Name()
	}
	if c.Pool != nil {
		pool = c.Pool.Name()
	}
	return breaker, limit, pool
}

// list returns the counts of the given codes, and of all others that are not 0.
func (c *codeCounts) list(always []fault.Code) map[fault.Code]uint64 {
	all := make(map[fault.Code]uint64, len(always))
	for _, code := range always {
		all[code] = c.of(code)
	}
	for _, code := range fault.Codes() {
		if n := c.of(code); n > 0 {
			all[code] = n
		}
	}
	return all
}
