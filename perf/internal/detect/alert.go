package detect

import (
	"math"
	"math/bits"
	"time"
)

// Phase says what a detector knows about its series.
type Phase uint8

// The phases. A detector that is learning has no opinion; that is not the same as normal.
const (
	Learning Phase = iota
	Normal
	Alerting
)

// String returns the phase in lower case.
func (p Phase) String() string {
	switch p {
	case Learning:
		return "learning"
	case Normal:
		return "normal"
	case Alerting:
		return "alerting"
	default:
		return "unknown"
	}
}

// Change says what a tick changed.
type Change uint8

// The changes. Accepted ends an alert because the new level has lasted, not because the old
// one has returned.
const (
	Unchanged Change = iota
	Learned
	Triggered
	Resolved
	Accepted
)

// String returns the change in lower case.
func (c Change) String() string {
	switch c {
	case Unchanged:
		return "unchanged"
	case Learned:
		return "learned"
	case Triggered:
		return "triggered"
	case Resolved:
		return "resolved"
	case Accepted:
		return "accepted"
	default:
		return "unknown"
	}
}

// Cause is the test that triggered an alert.
type Cause uint8

// The causes.
const (
	NoCause  Cause = iota
	Repeated       // several of the last ticks were far from normal
	Lasting        // small deviations in one direction added up (CUSUM)
	Extreme        // one tick sufficed
)

// String returns the cause in lower case.
func (c Cause) String() string {
	switch c {
	case NoCause:
		return "none"
	case Repeated:
		return "repeated"
	case Lasting:
		return "lasting"
	case Extreme:
		return "extreme"
	default:
		return "unknown"
	}
}

// Rule holds the thresholds of the alert core. It may change between two ticks: the state
// stays valid.
type Rule struct {
	WarmUp      int    // usable ticks before the detector has an opinion
	WarmUpCalls uint64 // and the calls that they must hold together

	High      float64 // deviations from which a tick counts as far from normal
	HighTicks int     // this many of
	Window    int     // the last so many ticks trigger; at most 64

	Extreme float64 // deviations from which one tick triggers; 0 for never

	Drift float64 // what CUSUM takes off each tick, in deviations
	Limit float64 // where it triggers; 0 for never
	Clip  float64 // the most that one tick may contribute

	MinRelative float64 // least effect that is worth an alert, as a share of what is expected
	MinAbsolute float64 // and in the unit of the series
	MinCalls    uint64  // calls that the evidence must hold together

	Calm        float64 // deviations below which a tick counts as normal again
	CalmTicks   int     // so many in a row resolve; at most 64
	Keep        int     // ticks that an alert lasts at least
	AcceptAfter int     // ticks after which a level that lasts is the new normal; 0 for never
	StaleAfter  int     // ticks without a call after which an alert resolves; 0 for never
}

// Evidence is what one tick says.
type Evidence struct {
	At     time.Time
	Usable bool // false: too little happened to say anything

	Z           float64 // deviations from the baseline; positive in the direction that matters
	Correlation float64 // of successive scores in normal times, 0 to below 1

	Seen     float64 // since the deviation began, in the unit of the series
	Expected float64 // by the baseline
	Calls    uint64  // of this tick
}

// State is what the alert core remembers. The zero value has seen nothing.
type State struct {
	Phase Phase
	Since time.Time // when the phase began
	Onset time.Time // when the present deviation began; zero if there is none

	usable      int
	usableCalls uint64
	high, calm  uint64 // one bit for each usable tick, the newest lowest
	sum         float64
	ticks       int // since the onset
	calls       uint64
	held        int // ticks alerting
	silent      int // ticks in a row that were not usable
	cause       Cause
}

// Deviating reports whether a deviation has begun that has not ended.
func (s *State) Deviating() bool { return s.sum > 0 || s.Phase == Alerting }

// end forgets the deviation, if there is one.
func (s *State) end() {
	if s.Phase != Learning {
		*s = State{Phase: Normal, Since: s.Since}
	}
}

// suspicion returns how near CUSUM is to its limit, 0 to 1.
func (s *State) suspicion(r *Rule) float64 {
	if r.Limit <= 0 {
		return 0
	}
	return min(1, s.sum/r.Limit)
}

// Decision is what the alert core says about a tick, with the numbers that decided.
type Decision struct {
	Phase  Phase
	Change Change
	Cause  Cause // of the alert that is on, or ends with this tick

	Z        float64   // deviations of this tick
	Score    float64   // the same evidence between 0 and 1
	Seen     float64   // since Onset
	Expected float64   // by the baseline
	Onset    time.Time // since when; zero if nothing deviates
	Ticks    int       // since Onset
	Calls    uint64    // since Onset
}

// Step returns the state after a tick, and what is to be said about it.
func (r *Rule) Step(s State, e *Evidence) (State, Decision) {
	if s.Since.IsZero() {
		s.Since = e.At
	}
	var change Change
	if e.Usable && !math.IsNaN(e.Z) {
		r.take(&s, e)
		change = r.judge(&s, e)
	} else {
		change = r.pass(&s, e)
	}
	d := Decision{
		Phase: s.Phase, Change: change, Cause: s.cause, Z: e.Z, Score: r.score(&s, e),
		Seen: e.Seen, Expected: e.Expected, Onset: s.Onset, Ticks: s.ticks, Calls: s.calls,
	}
	r.settle(&s)
	return s, d
}

// take adds the evidence of a usable tick.
func (r *Rule) take(s *State, e *Evidence) {
	s.silent = 0
	if s.Phase == Learning {
		s.usable++
		s.usableCalls += e.Calls
		return
	}
	s.high = s.high<<1 | bit(e.Z >= r.High)
	s.calm = s.calm<<1 | bit(e.Z < r.Calm)
	before := s.sum
	s.sum = max(0, s.sum+min(e.Z*independence(e.Correlation), r.Clip)-r.Drift)
	s.sum = min(s.sum, 2*r.Limit+r.Clip)
	if before <= 0 && s.sum > 0 && s.Phase != Alerting {
		s.Onset, s.ticks, s.calls = e.At, 0, 0
	}
	if s.Deviating() {
		s.ticks++
		s.calls += e.Calls
	}
}

// independence is the share of a score that counts when successive ones are correlated:
// the inverse of the long-run deviation of a first-order autoregression.
func independence(correlation float64) float64 {
	c := min(max(correlation, 0), 0.95)
	return math.Sqrt((1 - c) / (1 + c))
}

func (r *Rule) judge(s *State, e *Evidence) Change {
	switch s.Phase {
	case Learning:
		if s.usable >= r.WarmUp && s.usableCalls >= r.WarmUpCalls {
			s.Phase, s.Since = Normal, e.At
			return Learned
		}
	case Normal:
		if cause := r.cause(s, e); cause != NoCause {
			s.Phase, s.Since, s.cause, s.held, s.calm = Alerting, e.At, cause, 0, 0
			if s.Onset.IsZero() {
				s.Onset, s.ticks, s.calls = e.At, 1, e.Calls
			}
			return Triggered
		}
	case Alerting:
		s.held++
		return r.ending(s, e)
	}
	return Unchanged
}

// cause returns the test that calls for an alert.
func (r *Rule) cause(s *State, e *Evidence) Cause {
	calls := max(s.calls, e.Calls)
	if calls < r.MinCalls || !r.Matters(e.Seen, e.Expected) {
		return NoCause
	}
	switch {
	case r.Extreme > 0 && e.Z >= r.Extreme:
		return Extreme
	case r.HighTicks > 0 && e.Z >= r.High && bits.OnesCount64(s.high&mask(r.Window)) >= r.HighTicks:
		return Repeated
	case r.Limit > 0 && s.sum >= r.Limit:
		return Lasting
	}
	return NoCause
}

// Matters reports whether the effect is worth an alert.
func (r *Rule) Matters(seen, expected float64) bool {
	effect := math.Abs(seen - expected)
	return effect >= r.MinRelative*math.Abs(expected) && effect >= r.MinAbsolute
}

func (r *Rule) ending(s *State, e *Evidence) Change {
	switch {
	case s.held >= r.Keep && s.calm&mask(r.CalmTicks) == mask(r.CalmTicks):
		s.Phase, s.Since, s.high, s.sum = Normal, e.At, 0, 0
		return Resolved
	case r.AcceptAfter > 0 && s.held >= r.AcceptAfter && e.Z >= r.Calm:
		s.Phase, s.Since, s.high, s.sum = Normal, e.At, 0, 0
		return Accepted
	}
	return Unchanged
}

// pass counts a tick that says nothing.
func (r *Rule) pass(s *State, e *Evidence) Change {
	s.silent++
	if s.Phase != Alerting {
		return Unchanged
	}
	s.held++
	s.ticks++
	if r.StaleAfter > 0 && s.silent >= r.StaleAfter && s.held >= r.Keep {
		s.Phase, s.Since, s.high, s.sum = Normal, e.At, 0, 0
		return Resolved
	}
	return Unchanged
}

// settle forgets a deviation that has ended, after the decision has named it.
func (r *Rule) settle(s *State) {
	if s.Deviating() {
		return
	}
	s.Onset, s.ticks, s.calls, s.cause = time.Time{}, 0, 0, NoCause
}

// score maps the strongest of the evidence to 0..1: one half at its threshold.
func (r *Rule) score(s *State, e *Evidence) float64 {
	if s.Phase == Learning || !e.Usable || math.IsNaN(e.Z) {
		return 0
	}
	strength := max(e.Z, 0) / r.High
	if r.Extreme > 0 {
		strength = max(e.Z, 0) / r.Extreme
	}
	if r.Limit > 0 {
		strength = max(strength, s.sum/r.Limit)
	}
	if math.IsInf(strength, 1) {
		return 1
	}
	return strength * strength / (1 + strength*strength)
}

func mask(n int) uint64 {
	if n >= 64 {
		return math.MaxUint64
	}
	return 1<<max(n, 0) - 1
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
