package admin

import (
	"fmt"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/adminapi"
)

func hedgesView(s *guard.Status) adminapi.Hedges {
	h := &s.Hedges
	v := adminapi.Hedges{
		DelaySeconds: h.Delay.Seconds(), Samples: h.Samples, MinSamples: h.MinSamples, Started: h.Started, Won: h.Won, Lost: h.Lost, Failed: h.Failed,
		RefusedBy: make(map[string]uint64, len(h.Refused)), Losers: h.Losers,
	}
	if set := s.Config.Hedge; set != nil {
		v.After, v.Max = set.After.String(), set.Max
	}
	for why, n := range h.Refused {
		v.RefusedBy[why.String()] = n
		v.Refused += n
	}
	return v
}

// deniedHedges is how many slow attempts must have been left as they are, within the window
// of the budget, for that to be told as a sign.
const deniedHedges = deniedRetries

// hedgesOf adds how a guard hedges, why it does not, and what that says.
func (e *explanation) hedgesOf(g *adminapi.Guard) {
	h := &g.Hedges
	if h.After == "" {
		return
	}
	e.number("hedged after", h.DelaySeconds, "seconds", false, delayNote(h))
	e.number("hedges", float64(h.Started), "", false, fmt.Sprintf("since the start: %d won, %d lost, %d failed", h.Won, h.Lost, h.Failed))
	if h.Refused > 0 {
		e.number("without", float64(h.Refused), "", false, "since the start"+split(h.RefusedBy, 0))
	}
	if h.Losers > 0 {
		e.number("losers", float64(h.Losers), "", true, "attempts that lost against others of their call and do not return")
	}
	var denied, first uint64
	for i := range g.Retries.Budgets {
		denied, first = denied+g.Retries.Budgets[i].HedgesDenied, first+g.Retries.Budgets[i].FirstAttempts
	}
	if denied == 0 {
		return
	}
	bad := denied >= deniedHedges
	e.number("not hedged", float64(denied), "", bad, fmt.Sprintf("of %s %s: the budget is used up", counted(first, "first attempt", "first attempts"), budgetWindow))
	if bad {
		e.try("", "find out why so many calls are slow: hedges hide a few slow ones, and would add to the load of a dependency that is slow altogether")
	}
}

// delayNote says where the delay comes from.
func delayNote(h *adminapi.Hedges) string {
	switch {
	case h.MinSamples == 0:
		return "as it is set"
	case h.DelaySeconds == 0:
		return fmt.Sprintf("%s is not known: %d attempts in the last minute, and it takes %d", h.After, h.Samples, h.MinSamples)
	}
	return fmt.Sprintf("%s of %d attempts in the last minute", h.After, h.Samples)
}
