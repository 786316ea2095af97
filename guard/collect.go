package guard

import (
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/telemetry"
)

var _ telemetry.Source = (*Guard)(nil)

func metric(kind telemetry.Kind, name, help string, labels ...string) *telemetry.Desc {
	return &telemetry.Desc{Name: "foundation_" + name, Help: help, Kind: kind, Labels: append([]string{"guard"}, labels...)}
}

// The metrics of a guard.
var (
	descCalls      = metric(telemetry.Counter, "calls_total", "Calls by how they ended; rejected ones did not run.", "outcome")
	descRejections = metric(telemetry.Counter, "rejections_total", "Calls that were refused, by reason.", "reason")
	descWould      = metric(telemetry.Counter, "guard_would_refuse_total", "Calls that shadow mode let through although they would have been refused, by reason.", "reason")
	descDuration   = metric(telemetry.Histogram, "call_duration_seconds", "Duration of the calls themselves, without the wait for a turn or a worker.", "outcome")
	descWait       = metric(telemetry.Histogram, "guard_wait_seconds", "Time that calls waited for a turn of a leaky bucket and for a worker, of those that waited or were refused by the pool.")
	descInFlight   = metric(telemetry.Gauge, "guard_in_flight", "Calls that have begun and not ended.")
	descSlots      = metric(telemetry.Gauge, "guard_concurrency_used", "Places of the concurrency bound that are taken.")
	descBound      = metric(telemetry.Gauge, "guard_concurrency_limit", "The concurrency bound, which adapts or is fixed; 0 means none.")
	descDetached   = metric(telemetry.Gauge, "guard_detached", "Detached calls that ran past their time and have not ended.")
	descDetachedN  = metric(telemetry.Counter, "guard_detached_total", "Detached calls that ran past their time.")
	descPanics     = metric(telemetry.Counter, "guard_detached_panics_total", "Detached calls that panicked after their caller had gone, and attempts that panicked after another one of their call had won.")
	descRetries    = metric(telemetry.Counter, "guard_retries_total", "Attempts after the first, by how the one before ended.", "reason")
	descStopped    = metric(telemetry.Counter, "guard_retries_stopped_total", "Calls that failed and were not tried again, by reason.", "reason")
	descBudget     = metric(telemetry.Gauge, "guard_retry_budget_left", "Retries that the target with the fewest left may have now.")
	descHedges     = metric(telemetry.Counter, "guard_hedges_total", "Attempts that began beside a slow one of their call.")
	descHedgesEnd  = metric(telemetry.Counter, "guard_hedges_ended_total", "The same, by how they ended: won (they gave the result), lost (another attempt was faster) or failed.", "outcome")
	descUnhedged   = metric(telemetry.Counter, "guard_hedges_refused_total", "Calls and slow attempts that were not hedged, by reason.", "reason")
	descHedgeDelay = metric(telemetry.Gauge, "guard_hedge_delay_seconds", "How long an attempt may take before it is hedged; 0 while that is not known.")
	descLosers     = metric(telemetry.Gauge, "guard_hedge_losers", "Attempts that lost against another one of their call and have not returned.")
	descLeases     = metric(telemetry.Counter, "guard_leases_expired_total", "Tokens that were taken back because their lease expired.")
)

// Collect implements [telemetry.Source]. Every series exists from the start.
func (g *Guard) Collect(emit func(telemetry.Sample)) {
	r, s := g.revision.Load(), &g.stats
	c := collector{g.name, emit}
	for i := range s.took {
		result, taken := Result(i).String(), s.took[i].snapshot()
		c.value(descCalls, float64(taken.Count()), result)
		c.distribution(descDuration, taken, result)
	}
	c.value(descCalls, float64(s.refused.total()), rejected)
	c.codes(descRejections, &s.refused, reasons)
	c.codes(descWould, &s.would, shadowReasons)
	c.value(descInFlight, float64(s.inFlight()))
	c.value(descSlots, float64(g.slots.used.Load()))
	c.value(descBound, float64(r.concurrency()))
	c.value(descDetached, float64(g.detached.Load()))
	c.value(descDetachedN, float64(s.detached.Load()))
	c.value(descPanics, float64(s.panics.Load()))
	c.value(descLeases, float64(s.leases.Load()))
	c.distribution(descWait, s.wait.snapshot())
	if g.budgets.Load() != nil {
		c.retries(g.retryStatus(r))
	}
	if r.config.Hedge != nil || s.hedges.Load() > 0 {
		c.hedges(g.hedgeStatus(r))
	}
}

// collector passes the samples of one guard on.
type collector struct {
	name string
	emit func(telemetry.Sample)
}

func (c collector) value(desc *telemetry.Desc, v float64, labels ...string) {
	c.emit(telemetry.Sample{Desc: desc, Labels: append([]string{c.name}, labels...), Value: v})
}

func (c collector) distribution(desc *telemetry.Desc, d telemetry.Distribution, labels ...string) {
	c.emit(telemetry.Sample{Desc: desc, Labels: append([]string{c.name}, labels...), Distribution: d})
}

// retries are the samples of a guard that has, or had, a policy of retries.
func (c collector) retries(s RetryStatus) {
	for cause, n := range s.Retried {
		c.value(descRetries, float64(n), cause.String())
	}
	for why, n := range s.Stopped {
		c.value(descStopped, float64(n), why.String())
	}
	c.value(descBudget, float64(s.Left()))
}

// hedges are the samples of a guard that has, or had, hedges.
func (c collector) hedges(s HedgeStatus) {
	c.value(descHedges, float64(s.Started))
	c.value(descHedgesEnd, float64(s.Won), "won")
	c.value(descHedgesEnd, float64(s.Lost), "lost")
	c.value(descHedgesEnd, float64(s.Failed), "failed")
	for why, n := range s.Refused {
		c.value(descUnhedged, float64(n), why.String())
	}
	c.value(descHedgeDelay, s.Delay.Seconds())
	c.value(descLosers, float64(s.Losers))
}

func (c collector) codes(desc *telemetry.Desc, counts *codeCounts, always []fault.Code) {
	for code, n := range counts.list(always) {
		c.value(desc, float64(n), code.String())
	}
}
