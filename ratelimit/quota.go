package ratelimit

import (
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
)

// Quota returns the numbers of the rule that decided. It reports false if that rule
// is not enforced: who is told of a limit keeps to it, and one that is not enforced
// must change nothing.
func (d *Decision) Quota() (q fault.Quota, ok bool) {
	q.Remaining, q.ResetAfter = d.Remaining, d.ResetAfter
	if d.by == nil {
		return q, false
	}
	c := &d.by.setup.Load().config
	q.Rule, q.Limit, q.Window = d.by.name, max(0, c.Limit), c.Per
	return q, c.Mode == mode.Enforce
}
