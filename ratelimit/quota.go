package ratelimit

import (
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/mode"
)

// Quota returns the numbers of the rule that decided. It reports false if that rule
// is not enforced: who is told of a limit keeps to it, and one that is not enforced
// must change nothing. A call that is exempt has no numbers either, nor one that a [Remote]
// could not decide.
func (d *Decision) Quota() (q fault.Quota, ok bool) {
	q.Remaining, q.ResetAfter = d.Remaining, d.ResetAfter
	if d.by == nil {
		return q, false
	}
	l, r := d.by.lim, d.by.rule
	q.Rule, q.Limit, q.Window = l.name, r.limit, time.Duration(r.per)
	return q, d.Source != Exempt && d.kind != undecided && l.setup.Load().config.Mode == mode.Enforce
}
