package guard

import (
	"sync/atomic"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/enum"
)

// HedgeRefusal says why a call got no hedge.
type HedgeRefusal = enum.Of[hedgeRefusals]

// The reasons. The first two are those of calls, from their beginning; the others are those of
// attempts that had taken the delay.
const (
	HedgeNotIdempotent HedgeRefusal = iota // the call must not be made twice
	HedgeFewSamples                        // too few attempts were seen lately for a percentile
	HedgeNoTime                            // the deadline leaves no time for another attempt
	HedgeNoBudget                          // too many retries and hedges to this target
	HedgeCircuitOpen                       // the breaker refuses another attempt, or has no probe left for it
	HedgeNotAdmitted                       // there is no idle worker, or with count_attempts no token
	HedgeLosersLate                        // too many attempts that lost have not returned

	hedgeRefusalCount
)

type hedgeRefusals struct{}

func (hedgeRefusals) Names() (string, []string) { return "reason", hedgeRefusalNames }

var hedgeRefusalNames = []string{
	HedgeNotIdempotent: "not_idempotent", HedgeFewSamples: "few_samples", HedgeNoTime: "deadline", HedgeNoBudget: "budget",
	HedgeCircuitOpen: "circuit_open", HedgeNotAdmitted: "attempt_refused", HedgeLosersLate: "losers_late",
}

// HedgeStatus describes the hedges of a guard. Counters run from the making of the guard.
type HedgeStatus struct {
	// Delay is how long an attempt may take now before it is hedged; 0 while that is not
	// known, and without hedges.
	Delay time.Duration
	// Samples is how many attempts of the last minute the delay comes from, and MinSamples how
	// many it takes; both are 0 if it is fixed.
	Samples, MinSamples int
	Started             uint64
	Won                 uint64                  // those that gave the result of their call
	Lost                uint64                  // those that another attempt overtook
	Failed              uint64                  // those that failed by themselves
	Refused             map[HedgeRefusal]uint64 // by reason, every one, also at 0
	Losers              int64                   // attempts that lost and have not returned
}

// hedgeStats are what a guard counts of hedges.
type hedgeStats struct {
	hedges       atomic.Uint64
	hedgesWon    atomic.Uint64
	hedgesLost   atomic.Uint64
	hedgesFailed atomic.Uint64
	unhedged     [hedgeRefusalCount]atomic.Uint64
}

// hedgeEnded counts a hedge that ended by itself.
func (s *hedgeStats) hedgeEnded(w verdict, won bool) {
	switch {
	case w.result == CallerLeft:
		s.hedgesLost.Add(1)
	case won:
		s.hedgesWon.Add(1)
	default:
		s.hedgesFailed.Add(1)
	}
}

func (g *Guard) hedgeStatus(r *revision) HedgeStatus {
	s := &g.stats
	status := HedgeStatus{
		Started: s.hedges.Load(), Won: s.hedgesWon.Load(), Lost: s.hedgesLost.Load(), Failed: s.hedgesFailed.Load(),
		Refused: make(map[HedgeRefusal]uint64), Losers: g.losers.Load(),
	}
	for why := range hedgeRefusalCount {
		status.Refused[why] = s.unhedged[why].Load()
	}
	if h := r.hedge; h != nil {
		status.Delay = h.delay()
		if h.latency != nil {
			status.Samples, status.MinSamples = int(h.latency.seen.Load()), minSamples
		}
	}
	return status
}

// hedgeDelay is how long the attempt that begins may take before it is hedged; 0 if it is
// not hedged at all, which is counted.
func (v *visit) hedgeDelay(c *Call) time.Duration {
	h := v.rev.hedge
	switch {
	case h == nil:
		return 0
	case !c.Idempotent:
		v.guard.stats.unhedged[HedgeNotIdempotent].Add(1)
		return 0
	}
	delay := h.delay()
	if delay == 0 {
		v.guard.stats.unhedged[HedgeFewSamples].Add(1)
	}
	return delay
}

// sampleAlone tells how long an attempt took that could have been hedged, had its delay been
// known.
func (v *visit) sampleAlone(c *Call, good bool) {
	if h := v.rev.hedge; good && h != nil && h.latency != nil && c.Idempotent {
		now := clock.Now()
		h.latency.record(now, now.Sub(v.began))
	}
}
