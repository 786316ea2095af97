package adaptive

import (
	"time"

	"github.com/elixirscope/foundation/internal/enum"
)

// Sample is one attempt that ended, well or by running out of time. Others say nothing: a
// failure may be quicker or slower than a good answer, whatever the load.
type Sample struct {
	Took     time.Duration // the attempt itself
	InFlight int           // calls in flight when it was admitted, itself included
	TimedOut bool
}

// State is all that is known. Make one with [Start].
type State struct {
	Limit  int           // in force
	Reason Reason        // why it last changed
	Since  time.Duration // when, by the clock that now is read from
	// Latency is the mean of the last full window, Baseline the one without load; 0 while
	// unknown.
	Latency, Baseline time.Duration

	target  float64       // the limit, but for a probe
	peak    float64       // the highest target since the baseline was confirmed
	unsure  time.Duration // for how long the latency held the limit down and the baseline was not confirmed
	window  window
	probing uint8 // windows of the probe, with the one that is not full
}

// Reason says why a limit is what it is.
type Reason = enum.Of[reasons]

// The reasons.
const (
	Initial     Reason = iota // nothing was learnt yet
	Headroom                  // raised: the calls in flight came near it, and the latency was near the baseline
	LatencyRose               // lowered: the latency was above what the baseline allows
	TimedOut                  // lowered: calls ran out of time
	Probe                     // lowered for a moment, to measure the latency without load
	Probed                    // back from a probe
	Bounds                    // moved into the configured bounds
)

type reasons struct{}

func (reasons) Names() (string, []string) { return "reason", reasonNames }

var reasonNames = []string{
	Initial: "initial", Headroom: "headroom", LatencyRose: "latency", TimedOut: "timeouts",
	Probe: "probe", Probed: "probe_ended", Bounds: "bounds",
}

// initial is the limit to begin with, within the bounds.
const initial = 20

// Start is the state before the first sample.
func (m Machine) Start(now time.Duration) State {
	s := State{target: m.clamp(initial), Since: now, unsure: sureFor, window: window{began: now}}
	s.Limit, s.peak = int(s.target), s.target
	return s
}

// window gathers samples until there are enough to tell something.
type window struct {
	began, last time.Duration
	calls       int
	timedOut    int
	inFlight    int     // at most
	took        float64 // nanoseconds, in all
}

// A window ends after a tenth of a second if it has enough calls by then, and after a
// second if it has some.
const (
	longest             = 24 * time.Hour // what takes longer counts as that
	minWindow, minCalls = 100 * time.Millisecond, 50
	maxWindow, fewCalls = time.Second, 10
	staleAfter          = time.Minute // without a sample, what was gathered is forgotten
)

func (w window) add(x Sample, now time.Duration) window {
	if w.calls == 0 || now-w.last > staleAfter {
		w = window{began: max(w.began, now-x.Took)}
		if now-w.began > maxWindow { // a time without calls is no part of it
			w.began = now
		}
	}
	w.last = now
	w.calls++
	w.inFlight = max(w.inFlight, x.InFlight)
	w.took += float64(x.Took)
	if x.TimedOut {
		w.timedOut++
	}
	return w
}

// full reports whether the window tells something. That of a probe, which costs refusals, is
// content with half the calls.
func (w window) full(now time.Duration, probe bool) bool {
	lasted := now - w.began
	if probe && w.calls >= minCalls/2 {
		return true
	}
	return lasted >= minWindow && w.calls >= minCalls || lasted >= maxWindow && w.calls >= fewCalls
}

// mean is the mean latency, at least a nanosecond, so that it can be divided by.
func (w window) mean() time.Duration { return max(1, time.Duration(w.took/float64(w.calls))) }
