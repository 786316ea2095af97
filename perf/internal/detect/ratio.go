package detect

import "time"

// Ratio watches the share of calls that fail. The zero value is not usable; see [NewRatio].
type Ratio struct {
	rule  Rule
	floor float64

	state      State
	normal     share // of clean ticks
	candidate  share // since the onset, decayed alike: what is accepted if it lasts
	deviation  share // since the onset, exact: what is reported
	dispersion dispersion
}

// share is a decayed count of calls and of those that failed.
type share struct{ calls, failed float64 }

func (s *share) add(calls, failed uint64, keep, weight float64) {
	s.calls = s.calls*keep + float64(calls)*weight
	s.failed = s.failed*keep + float64(failed)*weight
}

// of returns the share, as near to the floor as few calls leave it.
func (s *share) of(floor float64) float64 {
	return min(max((s.failed+floor)/(s.calls+1), floor), 1-floor)
}

// ratioMemory is the mean age of what a baseline of shares and buckets holds, in ticks.
const ratioMemory = 260

// NewRatio returns a detector for error ratios. A baseline below floor counts as floor: one
// error after a long time without any is no incident.
func NewRatio(rule *Rule, floor float64) *Ratio { return &Ratio{rule: *rule, floor: floor} }

// Configure changes the thresholds from the next tick on.
func (r *Ratio) Configure(rule *Rule, floor float64) { r.rule, r.floor = *rule, floor }

// State returns what the alert core remembers.
func (r *Ratio) State() State { return r.state }

// Observe takes the calls of one tick.
func (r *Ratio) Observe(at time.Time, calls, failed uint64) Decision {
	failed = min(failed, calls)
	p0 := r.normal.of(r.floor)
	raw := exceedance(calls, failed, p0) / spread(float64(calls), r.normal.calls)
	z := raw / r.dispersion.scale()
	r.deviation.add(calls, failed, 1, 1)
	e := Evidence{
		At: at, Usable: calls > 0, Z: z, Correlation: r.dispersion.correlation(),
		Seen: r.deviation.failed / max(r.deviation.calls, 1), Expected: p0, Calls: calls,
	}
	var d Decision
	r.state, d = r.rule.Step(r.state, &e)
	r.learn(calls, failed, raw, &d)
	return d
}

func (r *Ratio) learn(calls, failed uint64, raw float64, d *Decision) {
	const keep = 1 - 1.0/ratioMemory
	r.candidate.add(calls, failed, keep, 1)
	switch {
	case d.Change == Accepted:
		r.normal = r.candidate
	case r.state.Phase != Alerting && calls > 0:
		w := weight(d.Z, r.state.suspicion(&r.rule))
		if !r.rule.matters(d.Seen, d.Expected) {
			w = 1 // too small to matter is normal
		}
		r.normal.add(calls, failed, 1-w/ratioMemory, w)
		r.dispersion.learn(raw, w)
	}
	if !r.state.Deviating() {
		r.deviation, r.candidate = share{}, share{}
	}
}

// spread widens the deviation of n calls by what a baseline of few calls leaves unknown.
func spread(n, baseline float64) float64 { return sqrt(1 + n/max(baseline, 1)) }
