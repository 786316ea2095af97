package guard

import "github.com/elixirscope/foundation/retry"

// RetryStatus describes the retries of a guard. Counters run from the making of the guard.
type RetryStatus struct {
	Retried map[retry.Cause]uint64  // attempts after the first, by how the one before ended; every cause, also at 0
	Stopped map[retry.Reason]uint64 // calls that ended otherwise than well, by why they were not tried again; the same
	// Budgets are those of the targets that were called lately, in their order, from that
	// of calls without one on; none without a policy and without hedges, which the budgets bound too.
	Budgets []TargetBudget
}

// Left is how many retries the target that has fewest may have now, 0 if there are no budgets.
func (s *RetryStatus) Left() uint64 {
	if len(s.Budgets) == 0 {
		return 0
	}
	least := s.Budgets[0].Left
	for _, b := range s.Budgets {
		least = min(least, b.Left)
	}
	return least
}

func (g *Guard) retryStatus(r *revision) RetryStatus {
	s := RetryStatus{Retried: make(map[retry.Cause]uint64), Stopped: make(map[retry.Reason]uint64)}
	for _, c := range retry.Causes() {
		s.Retried[c] = g.stats.retried[c].Load()
	}
	for _, why := range retry.Stops() {
		s.Stopped[why] = g.stats.stopped[why].Load()
	}
	if r.budgets != nil {
		s.Budgets = r.budgets.status(r.share)
	}
	return s
}
