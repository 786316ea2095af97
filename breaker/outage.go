package breaker

import (
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
)

// Outage is how the trouble that a breaker is in began, and how its probes went since. It
// lasts until the breaker is closed again: a failed probe says that the outage goes on, and
// not why it began.
type Outage struct {
	Began time.Time
	// Cause is the rule that opened the breaker, by the name of its setting.
	Cause string
	// Evidence are the counts that decided then. It is shared, do not change it.
	Evidence []fault.Fact
	// Error is the class of most of the failures that the breaker had counted by then within
	// its window, "" where the calls were slow and did not fail.
	Error string
	// FailedProbes is how many probes have failed since. LastProbe is when the last of them
	// failed and LastProbeError the class of its error, "" if it was slow; both are zero
	// while none has failed.
	FailedProbes   int
	LastProbe      time.Time
	LastProbeError string
}

// openLocked notes in next, whose machine has opened, why it did. The failure that opened
// it has been added to the classes. REQUIRES: b.mu.
func (b *Breaker) openLocked(next *era, kind eventKind, t totals, now clock.Instant) {
	if next.outage != nil && next.m.why == ruleProbe {
		o := *next.outage
		o.FailedProbes++
		o.LastProbe, o.LastProbeError = now.Time(), ""
		if kind == onFailure {
			o.LastProbeError = b.classes.latest()
		}
		next.outage = &o
		return
	}
	next.opened = next.rules.evidence(next.m.why, t)
	o := &Outage{Began: next.m.since.Time(), Cause: next.m.why.String(), Evidence: next.opened}
	if next.m.why != ruleSlowRatio {
		o.Error = b.classes.most(now, next.rules.Window)
	}
	next.outage = o
}

// refusalFacts are why calls are refused while the breaker is open: how the outage began,
// and that probes have failed since.
func (e *era) refusalFacts() []fault.Fact {
	if e.outage == nil || e.outage.FailedProbes == 0 {
		return e.opened
	}
	facts := make([]fault.Fact, 0, len(e.opened)+1)
	facts = append(facts, e.opened...)
	return append(facts, fault.Measure("failed_probes", float64(e.outage.FailedProbes), ""))
}

// evidence is why the edge to shown was passed.
func (e *era) evidence(shown State) []fault.Fact {
	switch {
	case shown != StateOpen || e.override.kind != overrideNone:
		return nil
	case e.m.why == ruleProbe:
		return e.rules.evidence(ruleProbe, totals{})
	default:
		return e.opened
	}
}

// errorClass is that of the failures behind the edge to shown.
func (e *era) errorClass(shown State) string {
	switch {
	case shown != StateOpen || e.override.kind != overrideNone || e.outage == nil:
		return ""
	case e.m.why == ruleProbe:
		return e.outage.LastProbeError
	default:
		return e.outage.Error
	}
}

// outageBegan is when the outage began that goes on, or that the edge from old has ended.
func (e *era) outageBegan(old *era) time.Time {
	switch {
	case e.outage != nil:
		return e.outage.Began
	case old.outage != nil:
		return old.outage.Began
	}
	return time.Time{}
}
