package breaker

import (
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Breaker)(nil)

func metric(kind telemetry.Kind, name, help string, labels ...string) *telemetry.Desc {
	return &telemetry.Desc{Name: "foundation_breaker_" + name, Help: help, Kind: kind, Labels: append([]string{"breaker"}, labels...)}
}

// The metrics of a breaker.
var (
	descState       = metric(telemetry.Gauge, "state", "1 for the state that the next call would meet, 0 for the others.", "state")
	descStateTime   = metric(telemetry.Counter, "state_seconds_total", "Time spent in each state.", "state")
	descTransitions = metric(telemetry.Counter, "transitions_total", "Changes of state.", "from", "to")
	descCalls       = metric(telemetry.Counter, "calls_total", "Calls that were let through and ended, by outcome.", "outcome")
	descRejections  = metric(telemetry.Counter, "rejections_total", "Calls refused (mode enforce) or that would have been (mode shadow).", "mode")
	descFailures    = metric(telemetry.Gauge, "failures", "Failures within the window.")
	descThreshold   = metric(telemetry.Gauge, "failure_threshold", "Failures within the window that open the breaker.")
	descRun         = metric(telemetry.Gauge, "consecutive_failures", "Failures since the last success.")
	descRunLimit    = metric(telemetry.Gauge, "consecutive_failures_threshold", "Failures in a row that open the breaker.")
	descRatio       = metric(telemetry.Gauge, "failure_ratio", "Share of failures within the window.")
	descRatioLimit  = metric(telemetry.Gauge, "failure_ratio_threshold", "Share of failures that opens the breaker.")
	descSlow        = metric(telemetry.Gauge, "slow_ratio", "Share of slow calls within the window.")
	descSlowLimit   = metric(telemetry.Gauge, "slow_ratio_threshold", "Share of slow calls that opens the breaker.")
)

// collector passes samples of one breaker or group on.
type collector struct {
	name string
	emit func(telemetry.Sample)
}

func (c collector) value(desc *telemetry.Desc, v float64, labels ...string) {
	c.emit(telemetry.Sample{Desc: desc, Labels: append([]string{c.name}, labels...), Value: v})
}

// Collect implements [telemetry.Source]. Every series of the rules in use exists
// from the start. A member of a group is not meant to be collected: its group is.
func (b *Breaker) Collect(emit func(telemetry.Sample)) {
	now := clock.Now()
	c := collector{b.name, emit}
	e := b.era.Load()
	present, spent := e.label(now), e.spentAt(now)
	for i, label := range stateLabelNames {
		c.value(descState, flag(i == present), label)
		c.value(descStateTime, spent[i].Seconds(), label)
	}
	c.ledger(b.ledger)
	c.rules(e.rules, b.totals(now))
}

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// totals reads the window, empty unless closed. Only the exact failure count
// needs the lock, for the logarithm of the threshold in steps.
func (b *Breaker) totals(now clock.Instant) totals {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.era.Load()
	return e.window.totalsLocked(e.rules, now)
}

func (c collector) ledger(l *ledger) {
	for from := range l.transitions {
		for to := range l.transitions[from] {
			if from != to {
				c.value(descTransitions, float64(l.transitions[from][to].Load()), stateLabelNames[from], stateLabelNames[to])
			}
		}
	}
	n := l.counts()
	c.value(descCalls, float64(l.rising(n.Successes)), outcome.Success.String())
	c.value(descCalls, float64(n.Failures), outcome.Failure.String())
	c.value(descCalls, float64(n.Ignored), outcome.Ignored.String())
	c.value(descRejections, float64(n.Rejected), mode.Enforce.String())
	c.value(descRejections, float64(n.WouldReject), mode.Shadow.String())
}

func (c collector) rules(r *rules, t totals) {
	if r.FailureThreshold > 0 {
		c.value(descFailures, float64(t.failures))
		c.value(descThreshold, float64(r.FailureThreshold))
	}
	if r.ConsecutiveFailures > 0 {
		c.value(descRun, float64(t.consecutive))
		c.value(descRunLimit, float64(r.ConsecutiveFailures))
	}
	if r.FailureRatio > 0 {
		c.value(descRatio, ratio(t.failed, t.calls))
		c.value(descRatioLimit, r.FailureRatio)
	}
	if r.SlowRatio > 0 {
		c.value(descSlow, ratio(t.slow, t.calls))
		c.value(descSlowLimit, r.SlowRatio)
	}
}

// The metrics that only groups have.
var (
	descMembers    = metric(telemetry.Gauge, "group_members", "Members of the group by the state that their next call would meet.", "state")
	descBound      = metric(telemetry.Gauge, "group_members_max", "Members that the group holds at most.")
	descDropped    = metric(telemetry.Counter, "group_dropped_total", "Idle members dropped from the group.")
	descOverflowed = metric(telemetry.Counter, "group_overflowed_total", "Calls let through unprotected because the group was full.")
)

var _ telemetry.Source = (*Group)(nil)

// Collect implements [telemetry.Source]. The series are those of the group; keys
// never become label values.
func (g *Group) Collect(emit func(telemetry.Sample)) {
	c := collector{g.name, emit}
	s := g.Status()
	for _, state := range []State{StateClosed, StateOpen, StateHalfOpen} {
		c.value(descMembers, float64(s.ByState[state]), stateLabelNames[state])
	}
	c.value(descBound, float64(s.MaxMembers))
	c.value(descDropped, float64(s.Dropped))
	c.value(descOverflowed, float64(s.Overflowed))
	c.ledger(g.ledger)
}
