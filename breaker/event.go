package breaker

import (
	"context"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/telemetry"
)

// What makes a breaker change its state, beside the rules, which go by the name of
// their setting, and "probe_failed".
const (
	causeCooldownOver     = "cooldown_over"
	causeProbesSucceeded  = "probes_succeeded"
	causeReset            = "reset"
	causeOverride         = "override"
	causeOverrideReleased = "override_released"
	causeOverrideEnded    = "override_ended"
	causeReconfigured     = "reconfigured" // mode off begins or ends
)

// StateChanged is emitted once for every change of state, in order, and for
// every override and reset, also for one that leaves the state as it is. The end
// of a cooldown or override is reported by the call that finds it over.
type StateChanged struct {
	Name     string
	Member   string // the key's text, in a group
	From, To State
	// Cause is the rule that tripped, by the name of its setting, or "probe_failed",
	// "cooldown_over", "probes_succeeded", "reset", "override", "override_released",
	// "override_ended", or, where mode off begins or ends, "reconfigured".
	Cause    string
	Actor    string // of an override or reset
	Reason   string // of the override that begins
	Forced   bool   // To is forced by an override
	Shadow   bool   // the breaker only watches
	At       time.Time
	RetryAt  time.Time    // while open; zero if not known
	Evidence []fault.Fact // why it opened; shared, do not change it
	// Error is the class of most of the failures that opened it, or of the failed probe.
	Error string
	// OutageSince is when the breaker left the closed state by itself, until it is closed
	// again and in the change that closes it.
	OutageSince time.Time
	Generation  uint64
	Revision    uint64 // of the configuration
	// Missed counts the changes just before this one that were dropped because a
	// handler held up the delivery of more than a thousand.
	Missed uint64
}

// Edge implements [telemetry.Edge].
func (e StateChanged) Edge() (string, fault.Severity) {
	if e.To == StateOpen {
		return e.Name, fault.SeverityWarning
	}
	return e.Name, fault.SeverityInfo
}

// EventName implements [telemetry.Event].
func (StateChanged) EventName() string { return telemetry.Prefix + "circuit_breaker.state_change" }

// CallExecuted is emitted after every call that was let through and settled.
type CallExecuted struct {
	Name     string
	Member   string
	Outcome  outcome.Outcome
	Duration time.Duration
	Probe    bool   // the call was a probe
	Slow     bool   // it took slow_after or longer, under a slow_ratio rule
	Error    string // the class of a failure, never its message
}

// EventName implements [telemetry.Event].
func (CallExecuted) EventName() string { return telemetry.Prefix + "circuit_breaker.call_executed" }

// CallRejected is emitted for every refused call, in shadow mode for every call
// that would have been refused.
type CallRejected struct {
	Name        string
	Member      string
	State       State
	WouldRefuse bool // shadow mode: the call runs
	Injected    bool // refused by fault injection, not by the state
	RetryAt     time.Time
}

// EventName implements [telemetry.Event].
func (CallRejected) EventName() string { return telemetry.Prefix + "circuit_breaker.call_rejected" }

func (b *Breaker) emitExecuted(ctx context.Context, p *Permit, o outcome.Outcome, took time.Duration, slow bool, of *class) {
	e := CallExecuted{
		Name: b.name, Member: b.member, Outcome: o, Duration: took, Probe: p.lease() != 0, Slow: slow,
	}
	if o == outcome.Failure {
		e.Error = of.String()
	}
	b.executed.Emit(ctx, e)
}

func (b *Breaker) emitRejected(ctx context.Context, p *Permit, now clock.Instant) {
	b.rejected.Emit(ctx, CallRejected{
		Name: b.name, Member: b.member, State: p.era.view(now), WouldRefuse: p.OK(),
		Injected: p.era.injects(p.refusal), RetryAt: p.refusal.RetryAt(),
	})
}

// reportLocked counts the edge between two eras and queues its event. REQUIRES:
// b.mu, which is what keeps the events in the order of the transitions.
func (b *Breaker) reportLocked(old, next *era, why string, by string, now clock.Instant) {
	from, to := old.shown(), next.shown()
	if from != to {
		b.ledger.transitions[from][to].Add(1)
	}
	if from == to && old.override == next.override && why != causeReset || !b.changed.Active() {
		return
	}
	b.edges.Add(StateChanged{
		Name: b.name, Member: b.member, From: from, To: to, Cause: why, Actor: by,
		Reason: next.override.Reason, Forced: next.override.kind != overrideNone, Shadow: next.shadow,
		At: now.Time(), RetryAt: next.retryAt, Evidence: next.evidence(to),
		Error: next.errorClass(to), OutageSince: next.outageBegan(old),
		Generation: next.m.generation, Revision: next.rules.revision,
	})
}

// shown is the state as it was last published, for the edges between eras.
func (e *era) shown() State {
	switch {
	case e.gate == gateOff:
		return StateClosed
	case e.override.kind != overrideNone:
		return e.override.kind.state()
	default:
		return e.m.state
	}
}

// deliver delivers the state changes that wait, outside every lock.
func (b *Breaker) deliver() {
	b.edges.Deliver(func(e StateChanged, missed uint64) {
		e.Missed = missed
		b.changed.Emit(context.Background(), e)
	})
}
