package fault

import "time"

// Quota is what may be told to a client of the rate limit that decided about its
// call, whether it was admitted or refused.
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
