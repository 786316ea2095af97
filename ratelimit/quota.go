package ratelimit

import "time"

// Quota is what may be told to a client of the rule that decided: the numbers of a
// [Decision], without the receipt.
type Quota struct {
	// Rule is the name of the rule.
	Rule string
	// Limit is how much the rule allows in a Window.
	Limit  int64
	Window time.Duration
	// Remaining is how much was left after the decision.
	Remaining int64
	// ResetAfter is how long until the key is as if it had never been used.
	ResetAfter time.Duration
}

// Quota returns the numbers of the rule that decided. It reports false if that rule
// is not enforced: who is told of a limit keeps to it, and one that is not enforced
// must change nothing.
func (d *Decision) Quota() (q Quota, ok bool) {
	if d.by == nil {
		return Quota{}, false
	}
	c := &d.by.setup.Load().config
	if c.Mode != Enforce {
		return Quota{}, false
	}
	return Quota{Rule: d.by.name, Limit: max(0, c.Limit), Window: c.Per, Remaining: d.Remaining, ResetAfter: d.ResetAfter}, true
}
