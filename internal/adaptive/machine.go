package adaptive

import (
	"math"
	"time"
)

// Machine moves a limit between two bounds.
type Machine struct {
	Min, Max int // 1 <= Min <= Max
	Step     Step
	Blind    bool // the step does not look at the latency: there are no probes
}

// Step is an algorithm: where the limit goes from target after a window, and why. baseline is
// the latency without load.
type Step func(target float64, x Measured) (float64, Reason)

// Measured is what a full window says.
type Measured struct {
	Latency, Baseline time.Duration // means; neither is 0
	TimedOut          float64       // share of the calls
	Limited           bool          // the calls in flight came near the limit
}

const (
	// Tolerance says by how much latency may exceed the baseline before it counts as load.
	Tolerance = 2

	sureFor = 30 * time.Second // a baseline is relied on while it cannot be confirmed
	// A probe lowers the limit to this share of the calls that the dependency works on at
	// once, by the baseline. Below 1, so that a baseline that is too high comes down.
	probeShare = 0.7
	// A probe lasts for at most so many windows.
	probeWindows = 3
)

// Next is the state after a sample. now is read from a monotonic clock, as the time since any
// start.
func (m Machine) Next(s State, x Sample, now time.Duration) State {
	if s.probing > 0 && x.InFlight > s.Limit {
		return s // it was admitted before the probe
	}
	x.Took = min(max(0, x.Took), longest)
	s.window = s.window.add(x, now)
	if !s.window.full(now, s.probing > 0) {
		return s
	}
	w := s.window
	s.window = window{began: now}
	s.Latency = w.mean()
	if s.probing > 0 {
		return s.probed(w, now)
	}
	return m.step(s, w, now)
}

// Rebound is the state under other bounds. What was learnt is kept.
func (m Machine) Rebound(s State, now time.Duration) State {
	s.target, s.peak = m.clamp(s.target), m.clamp(s.peak)
	if limit := int(m.clamp(float64(s.Limit))); limit != s.Limit {
		s.Limit, s.Reason, s.Since = limit, Bounds, now
	}
	return s
}

func (m Machine) step(s State, w window, now time.Duration) State {
	s = s.learn(w, now)
	x := Measured{
		Latency: s.Latency, Baseline: s.Baseline,
		TimedOut: float64(w.timedOut) / float64(w.calls), Limited: 2*w.inFlight >= s.Limit,
	}
	next, why := m.Step(s.target, x)
	s.target = m.clamp(next)
	s.peak = max(s.peak, s.target)
	if x.Limited && !m.Blind && (s.unsure >= sureFor || s.fell()) {
		return m.probe(s, now)
	}
	return s.settle(m, why, now)
}

// learn brings the baseline in line with a window. It falls with any latency below it, and
// rises only with what few calls in flight took.
func (s State) learn(w window, now time.Duration) State {
	few := 3*w.inFlight < s.Limit && w.timedOut == 0
	switch {
	case s.Baseline == 0:
		s.Baseline = s.Latency
	case s.Latency < s.Baseline:
		s.Baseline -= (s.Baseline - s.Latency) / 5
	case few:
		s.Baseline += (s.Latency - s.Baseline) / 10
	}
	switch {
	case few:
		s.unsure, s.peak = 0, s.target
	case s.held():
		s.unsure += min(now-w.began, 2*maxWindow)
	}
	return s
}

// held reports whether the latency holds the limit down.
func (s State) held() bool { return s.Latency > Tolerance*s.Baseline }

// settle publishes the target when it is a tenth away from the limit, or at a bound.
func (s State) settle(m Machine, why Reason, now time.Duration) State {
	limit := int(math.Round(s.target))
	if gap := limit - s.Limit; max(gap, -gap) < max(1, s.Limit/10) && limit != m.Min && limit != m.Max {
		return s
	}
	return s.moved(limit, why, now)
}

// fell reports whether the latency stayed high although the limit has fallen by half: then
// it may not be the calls in flight that make it.
func (s State) fell() bool { return s.held() && s.target <= s.peak/2 }

func (m Machine) probe(s State, now time.Duration) State {
	working := s.target * min(1, float64(s.Baseline)/float64(s.Latency))
	s.probing = 1
	return s.moved(int(m.clamp(probeShare*working)), Probe, now)
}

// probed takes the latency that few calls in flight had for the baseline. If some of them ran
// out of time, the dependency may still be at work on calls that were given up: the probe
// goes on, for a while.
func (s State) probed(w window, now time.Duration) State {
	if w.timedOut > 0 && s.probing < probeWindows {
		s.probing++
		return s
	}
	if s.unsure = 0; float64(s.Latency) < 0.85*float64(s.Baseline) {
		s.unsure = sureFor // even so few calls may have waited: the next probe goes further
	}
	s.Baseline, s.probing, s.peak = s.Latency, 0, s.target
	return s.moved(int(math.Round(s.target)), Probed, now)
}

func (s State) moved(limit int, why Reason, now time.Duration) State {
	if limit != s.Limit {
		s.Limit, s.Reason, s.Since = limit, why, now
	}
	return s
}

func (m Machine) clamp(limit float64) float64 {
	return min(max(limit, float64(m.Min)), float64(m.Max))
}
