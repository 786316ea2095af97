package breaker

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

// machine is the whole state of the automaton, as a plain value. What it counts
// stands beside it (window) and is read as totals; who holds a probe's place
// stands beside it too (leases).
type machine struct {
	state State
	// generation rises with every change of state: a result carries the generation
	// that admitted its call, and counts only while that is still the present one.
	generation uint64
	since      clock.Instant
	// until is the end of the cooldown while open, and of the ramp while ramping;
	// else it has no meaning.
	until     clock.Instant
	ramping   bool
	why       rule          // what caused the last opening
	streak    uint32        // openings in a row that did not lead to a lasting recovery
	cooldown  time.Duration // of the last opening, 0 before the first
	probes    int           // in flight, while half-open
	successes int           // of probes, while half-open
}

// eventKind is what may happen to a machine.
type eventKind uint8

const (
	onCall    eventKind = iota // a call asks to be let through
	onSuccess                  // a call of the present generation succeeded
	onSlow                     // it succeeded, but took slow_after or longer
	onFailure                  // it failed
	onIgnored                  // it ended and says nothing
	onLost                     // a probe's lease ended without a result
	onReset                    // an operator starts afresh
	onSuspend                  // an override, or mode off, takes over
)

// event carries its own randomness, so that step stays a function.
type event struct {
	kind eventKind
	draw float64 // in [0,1): the share of the jitter that an opening gets
}

// step returns the machine after e at now. It is pure and total: it defines an
// answer for every event in every state, reads nothing else and changes nothing.
// Production, property tests and the exhaustive check run this one function.
//
// For a success in a closed breaker it is the identity, whatever the totals:
// that is what allows the shell to settle one without a lock or a clock.
func (r *rules) step(m machine, e event, t totals, now clock.Instant) machine {
	switch e.kind {
	case onReset:
		return machine{state: StateClosed, generation: m.generation + 1, since: now}
	case onSuspend:
		m.generation++
		m.probes = 0
		return m
	case onCall, onSuccess, onSlow, onFailure, onIgnored, onLost: // depend on the state
	}
	switch m.state {
	case StateOpen:
		return r.stepOpen(m, e, now)
	case StateHalfOpen:
		return r.stepHalfOpen(m, e, now)
	default:
		return r.stepClosed(m, e, t, now)
	}
}

func (r *rules) stepClosed(m machine, e event, t totals, now clock.Instant) machine {
	switch e.kind {
	case onCall:
		if m.ramping && now >= m.until {
			m.ramping = false
		}
	case onFailure, onSlow:
		if why := r.tripped(e.kind, t); why != ruleNone {
			return r.open(m, why, e.draw, now)
		}
	case onSuccess, onIgnored, onLost, onReset, onSuspend:
	}
	return m
}

// stepOpen ignores all but calls: failures while open do not extend a cooldown.
// The half-open state begins when the cooldown ends, not when somebody notices.
func (r *rules) stepOpen(m machine, e event, now clock.Instant) machine {
	if e.kind != onCall || now < m.until {
		return m
	}
	m.state, m.generation, m.since = StateHalfOpen, m.generation+1, m.until
	m.probes, m.successes = 1, 0
	return m
}

func (r *rules) stepHalfOpen(m machine, e event, now clock.Instant) machine {
	switch e.kind {
	case onCall:
		if m.probes < r.Probes {
			m.probes++
		}
	case onSuccess:
		m.probes--
		m.successes++
		if m.successes >= r.ProbeSuccesses {
			return r.close(m, now)
		}
	case onFailure, onSlow:
		return r.open(m, ruleProbe, e.draw, now)
	case onIgnored, onLost:
		m.probes--
	case onReset, onSuspend: // the same in every state
	}
	return m
}

func (r *rules) close(m machine, now clock.Instant) machine {
	return machine{
		state: StateClosed, generation: m.generation + 1, since: now, until: now.Add(r.Ramp), ramping: r.Ramp > 0,
		why: m.why, streak: m.streak, cooldown: m.cooldown,
	}
}

func (r *rules) open(m machine, why rule, draw float64, now clock.Instant) machine {
	streak := uint32(0)
	if m.relapsed(now) {
		streak = m.streak + 1
	}
	cooldown := r.cooldownOf(streak, draw)
	return machine{
		state: StateOpen, generation: m.generation + 1, since: now, until: now.Add(cooldown),
		why: why, streak: streak, cooldown: cooldown,
	}
}

// relapsed reports whether an opening at now continues the trouble before it: a
// probe failed, or the breaker was closed for less than its last cooldown. The
// latter makes a cooldown grow also for a dependency that answers one probe and
// breaks down under full load.
func (m machine) relapsed(now clock.Instant) bool {
	return m.state != StateClosed || m.cooldown > 0 && now.Sub(m.since) < m.cooldown
}

// lapsed reports whether the cooldown has been over for as long as it lasted,
// without a recovery.
func (m machine) lapsed(now clock.Instant) bool {
	over := m.since // where a call has noticed
	if m.state == StateOpen {
		over = m.until
	}
	return m.state != StateClosed && now.Sub(over) >= m.cooldown
}

// cooldownOf is min(Cooldown × CooldownGrowth^streak, CooldownMax), lengthened by
// the drawn share of the jitter.
func (r *rules) cooldownOf(streak uint32, draw float64) time.Duration {
	d := float64(r.Cooldown)
	for range streak {
		if d *= r.CooldownGrowth; d >= float64(r.CooldownMax) || r.CooldownGrowth == 1 {
			break
		}
	}
	return time.Duration(min(d, float64(r.CooldownMax)) * (1 + r.Jitter*draw))
}

// view is the state that a call at now would meet.
func (m machine) view(now clock.Instant) State {
	if m.state == StateOpen && now >= m.until {
		return StateHalfOpen
	}
	return m.state
}
