package shared

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// CountersStatus is what [Counters] can say about themselves.
type CountersStatus struct {
	// Away is whether the store is not asked at present; Since when that, or the contrary,
	// is so. Cause is the last error, also of one that is over.
	Away  bool
	Since time.Time
	Cause string
	// AwayFor is for how long the store was away in all.
	AwayFor   time.Duration
	Instances int
	// Server and Warnings are what the store says of its server; see [Inspector].
	Server   string
	Warnings []string
	// Fault is why its server cannot be relied upon, or could not be inspected; empty if it can.
	Fault string
	// RefundsQueued wait to be sent. RefundsDropped were too many, came too late, or failed.
	RefundsQueued               int
	RefundsSent, RefundsDropped uint64
	// Rules are in the order of their names.
	Rules []RuleStatus
}

// RuleStatus is what [Counters] can say about one rule.
type RuleStatus struct {
	Name   string
	Policy Policy
	// Prefetch is how many tokens are really taken ahead at most, by the rule's limit and the number
	// of instances; 0 if none are. Held are those that are there now.
	Prefetch, Held int64
	// Shared, Cached, Prefetched and Fallback count the decisions by where they were made;
	// Refused the calls that were refused because the store did not decide them.
	Shared, Cached, Prefetched, Fallback, Refused uint64
}

// Status returns the present state.
func (c *Counters) Status() CountersStatus {
	m, away, cause := c.link.present()
	st := CountersStatus{
		Away: !c.up(), Since: m.since.Time(), AwayFor: away, Instances: int(c.instances.Load()),
		RefundsQueued: c.refunds.waiting(), RefundsSent: c.refunds.sent.Load(), RefundsDropped: c.refunds.dropped.Load(),
	}
	st.Cause = Reason(cause)
	if i := c.server.Load(); i != nil {
		st.Server, st.Warnings, st.Fault = i.server, i.warnings, i.fault
	}
	for _, r := range c.sorted() {
		st.Rules = append(st.Rules, r.status())
	}
	return st
}

func (r *rule) status() RuleStatus {
	st := RuleStatus{
		Name: r.name, Policy: *r.policy.Load(),
		Shared: r.decided[ratelimit.Shared].Load(), Cached: r.decided[ratelimit.Cached].Load(),
		Prefetched: r.decided[ratelimit.Prefetched].Load(), Fallback: r.decided[ratelimit.Fallback].Load(),
		Refused: r.refused.Load(),
	}
	if p := r.ahead.Load(); p != nil {
		st.Held = p.held()
		if s := r.local.latest.Load(); s != nil {
			st.Prefetch = r.most(&s.whole)
		}
	}
	return st
}

// inspection is what a store says of its server.
type inspection struct {
	server   string
	warnings []string
	fault    string
}

// inspectAgain is the pause before a server that could not be inspected is asked again.
const inspectAgain = 2 * time.Second

// inspect asks the store what it is, if it can say so: until it has, or is away, and is
// inspected when it is back. One goroutine does at a time.
func (c *Counters) inspect() {
	i, ok := c.store.(Inspector)
	for ok && c.inspecting.CompareAndSwap(false, true) {
		ok = !c.inspectUntilDone(i)
		c.inspecting.Store(false)
		ok = ok && c.up() // it has come back before another could begin
	}
}

// inspectUntilDone reports false if the store is away.
func (c *Counters) inspectUntilDone(i Inspector) bool {
	for c.inspectOnce(i) != nil && clock.Sleep(c.life, inspectAgain) {
		if !c.up() {
			return false
		}
	}
	return true
}

func (c *Counters) inspectOnce(i Inspector) error {
	ctx, cancel := context.WithTimeout(c.life, max(c.within(), time.Second))
	defer cancel()
	var server string
	var warnings []string
	err := recovered("", func() (err error) {
		server, warnings, err = i.Inspect(ctx)
		return err
	})
	found := inspection{server: server, warnings: warnings}
	if err != nil {
		found.fault = Reason(err)
	}
	c.server.Store(&found)
	return err
}

func metric(kind telemetry.Kind, name, help string, labels ...string) *telemetry.Desc {
	return &telemetry.Desc{Name: "foundation_limiter_shared_" + name, Help: help, Kind: kind, Labels: labels}
}

// The metrics of counters.
var (
	descDecisions = metric(telemetry.Counter, "decisions_total", "Calls of rules with shared counters, by where they were decided; refused are those that on_error: deny refused.", "limiter", "source")
	descUp        = metric(telemetry.Gauge, "store_up", "1 while calls ask the store, 0 while it is away.")
	descAway      = metric(telemetry.Counter, "store_away_seconds_total", "Time in which the store was away.")
	descInstances = metric(telemetry.Gauge, "instances", "Processes that share the store, as far as this one knows.")
	descQueued    = metric(telemetry.Gauge, "refunds_queued", "Refunds that wait to be sent.")
	descRefunds   = metric(telemetry.Counter, "refunds_total", "Refunds to the store, by what became of them: sent or dropped.", "result")
)

// Collect implements [telemetry.Source].
func (c *Counters) Collect(emit func(telemetry.Sample)) {
	st := c.Status()
	one := func(d *telemetry.Desc, value float64, labels ...string) {
		emit(telemetry.Sample{Desc: d, Labels: labels, Value: value})
	}
	up := 1.0
	if st.Away {
		up = 0
	}
	one(descUp, up)
	one(descAway, st.AwayFor.Seconds())
	one(descInstances, float64(st.Instances))
	one(descQueued, float64(st.RefundsQueued))
	one(descRefunds, float64(st.RefundsSent), "sent")
	one(descRefunds, float64(st.RefundsDropped), "dropped")
	for i := range st.Rules {
		r := &st.Rules[i]
		one(descDecisions, float64(r.Shared), r.Name, "shared")
		one(descDecisions, float64(r.Cached), r.Name, "cached")
		one(descDecisions, float64(r.Prefetched), r.Name, "prefetched")
		one(descDecisions, float64(r.Fallback), r.Name, "fallback")
		one(descDecisions, float64(r.Refused), r.Name, "refused")
	}
}

var _ telemetry.Source = (*Counters)(nil)
