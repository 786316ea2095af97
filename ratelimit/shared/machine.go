package shared

import (
	"time"

	"github.com/elixirscope/foundation/clock"
)

const (
	failuresUntilAway = 3
	// The pause before a probe is drawn from [base, 1.25 × base]; base begins at pauseLeast
	// and doubles with each probe that fails up to pauseMost: 100 ms to 2 s.
	pauseLeast = 100 * time.Millisecond
	pauseMost  = 1600 * time.Millisecond
	// A store that was up for a shorter time than this before it failed again is probed as
	// seldom as before, so that one that answers probes alone does not come and go.
	settled = 2 * time.Second
)

// machine is the whole state of the connection to a store, as a plain value: up, where
// calls ask the store, or away, where nothing but probes does.
type machine struct {
	away bool
	// generation rises with every transition: a result carries the generation in which its
	// call began, and counts only while that is still the present one.
	generation uint64
	since      clock.Instant // when the present state began
	failures   int           // in a row, while up
	doublings  int           // of the pause
	probeAt    clock.Instant // while away: when the next probe is due
}

// eventKind is what may happen to a machine.
type eventKind uint8

const (
	onAnswer        eventKind = iota // the store answered a call
	onFailure                        // it did not
	onRefusal                        // what protects the store refused to ask it
	onProbeAnswered                  // the store answered a probe
	onProbeFailed                    // it did not
)

// event carries its own randomness, so that step stays a function.
type event struct {
	kind       eventKind
	generation uint64
	draw       float64 // in [0,1): the share of the jitter that a pause gets
}

// step returns the machine after e at now. It is pure and total: it reads nothing else
// and changes nothing. For an answer without failures before it, it is the identity,
// which allows the shell to settle one without a lock.
func (m machine) step(e event, now clock.Instant) machine {
	switch {
	case e.generation != m.generation: // of before the last transition
	case m.away:
		return m.stepAway(e, now)
	default:
		return m.stepUp(e, now)
	}
	return m
}

func (m machine) stepUp(e event, now clock.Instant) machine {
	switch e.kind {
	case onAnswer:
		m.failures = 0
	case onFailure:
		if m.failures++; m.failures >= failuresUntilAway {
			return m.leave(e.draw, now)
		}
	case onRefusal:
		return m.leave(e.draw, now)
	case onProbeAnswered, onProbeFailed: // nothing probes while up
	}
	return m
}

func (m machine) stepAway(e event, now clock.Instant) machine {
	switch e.kind {
	case onProbeAnswered:
		return machine{generation: m.generation + 1, since: now, doublings: m.doublings}
	case onProbeFailed:
		m.doublings++
		m.probeAt = now.Add(pause(m.doublings, e.draw))
	case onAnswer, onFailure, onRefusal: // of calls that began while up
	}
	return m
}

func (m machine) leave(draw float64, now clock.Instant) machine {
	doublings := 0
	if m.generation > 0 && now.Sub(m.since) < settled {
		doublings = m.doublings + 1
	}
	return machine{
		away: true, generation: m.generation + 1, since: now,
		doublings: doublings, probeAt: now.Add(pause(doublings, draw)),
	}
}

func pause(doublings int, draw float64) time.Duration {
	base := pauseMost
	if doublings < 4 {
		base = pauseLeast << doublings
	}
	return base + time.Duration(draw*float64(base)/4)
}
