package breaker

import "github.com/elixirscope/foundation/fault"

// rules is a configuration in force: defaults applied, with its revision.
type rules struct {
	Config
	revision uint64
	group    uint64 // the revision of the group that it came with, 0 if it did not
	own      bool   // given to one breaker by itself, and not by its group
}

// rule names what opened a breaker.
type rule uint8

const (
	ruleNone rule = iota
	ruleFailures
	ruleFailureRatio
	ruleSlowRatio
	ruleConsecutive
	ruleProbe
)

var ruleNames = [...]string{
	ruleNone: "", ruleFailures: "failure_threshold", ruleFailureRatio: "failure_ratio",
	ruleSlowRatio: "slow_ratio", ruleConsecutive: "consecutive_failures", ruleProbe: "probe_failed",
}

func (r rule) String() string { return ruleNames[r] }

// totals is what the window holds at one moment, the call being settled
// included. A count that no rule needs may be zero.
type totals struct {
	failures    int    // within the window, exact
	consecutive int    // failures since the last success
	calls       uint64 // within the window, to a bucket's width
	failed      uint64 // of calls
	slow        uint64 // of calls
}

func ratio(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	// The division is correctly rounded, so 3 of 30 equals the literal 0.1.
	return float64(part) / float64(whole)
}

// tripped names the first rule that t meets. A failure cannot meet the slow rule
// by itself, but may have been slow; a slow success can meet only the slow rule.
func (r *rules) tripped(kind eventKind, t totals) rule {
	enough := t.calls >= uint64(r.MinCalls)
	failure := kind == onFailure
	switch {
	case failure && r.FailureThreshold > 0 && t.failures >= r.FailureThreshold:
		return ruleFailures
	case failure && r.ConsecutiveFailures > 0 && t.consecutive >= r.ConsecutiveFailures:
		return ruleConsecutive
	case failure && r.FailureRatio > 0 && enough && ratio(t.failed, t.calls) >= r.FailureRatio:
		return ruleFailureRatio
	case r.SlowRatio > 0 && enough && ratio(t.slow, t.calls) >= r.SlowRatio:
		return ruleSlowRatio
	}
	return ruleNone
}

// facts are the counts of t against the thresholds of r, for every rule in use.
func (r *rules) facts(t totals) []fault.Fact {
	facts := make([]fault.Fact, 0, 6)
	if r.FailureThreshold > 0 {
		facts = append(facts, fault.Against("failures", float64(t.failures), float64(r.FailureThreshold), ""))
	}
	if r.ConsecutiveFailures > 0 {
		facts = append(facts, fault.Against("consecutive_failures", float64(t.consecutive), float64(r.ConsecutiveFailures), ""))
	}
	if r.FailureRatio > 0 {
		facts = append(facts, fault.Against("failure_ratio", ratio(t.failed, t.calls), r.FailureRatio, "ratio"))
	}
	if r.SlowRatio > 0 {
		facts = append(facts, fault.Against("slow_ratio", ratio(t.slow, t.calls), r.SlowRatio, "ratio"))
	}
	if r.timed() {
		facts = append(facts, fault.Against("calls", float64(t.calls), float64(r.MinCalls), ""))
	}
	return facts
}

// evidence is why a breaker is open: what the rule that decided looks at, no other counts,
// and the revision of the thresholds.
func (r *rules) evidence(why rule, t totals) []fault.Fact {
	window := fault.Measure("window", r.Window.Seconds(), "seconds")
	calls := fault.Against("calls", float64(t.calls), float64(r.MinCalls), "")
	var facts []fault.Fact
	switch why {
	case ruleProbe:
		facts = append(facts, fault.Against("failed_probes", 1, 1, ""))
	case ruleFailures:
		facts = append(facts, fault.Against("failures", float64(t.failures), float64(r.FailureThreshold), ""), window)
	case ruleConsecutive:
		facts = append(facts, fault.Against("consecutive_failures", float64(t.consecutive), float64(r.ConsecutiveFailures), ""))
	case ruleFailureRatio:
		facts = append(facts, fault.Against("failure_ratio", ratio(t.failed, t.calls), r.FailureRatio, "ratio"), calls, window)
	case ruleSlowRatio:
		facts = append(facts, fault.Against("slow_ratio", ratio(t.slow, t.calls), r.SlowRatio, "ratio"), calls, window)
	case ruleNone:
	}
	return append(facts, r.revisionFact())
}

func (r *rules) revisionFact() fault.Fact {
	return fault.Measure("config_revision", float64(r.revision), "")
}
