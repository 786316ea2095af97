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
	n, k := float64(calls), float64(failed)
	z := r.dispersion.centered(excess(k, n, n*p0, r.dispersion.variance()+unknown(p0, r.normal.calls)))
	r.deviation.add(calls, failed, 1, 1)
	e := Evidence{
		At: at, Usable: calls > 0, Z: z, Correlation: r.dispersion.correlation(),
		Seen: r.deviation.failed / max(r.deviation.calls, 1), Expected: p0, Calls: calls,
	}
	var d Decision
	r.state, d = r.rule.Step(r.state, &e)
	r.learn(calls, failed, p0, &d)
	return d
}

func (r *Ratio) learn(calls, failed uint64, p0 float64, d *Decision) {
	const keep = 1 - 1.0/ratioMemory
	r.candidate.add(calls, failed, keep, 1)
	switch {
	case d.Change == Accepted:
		r.normal = r.candidate
	case r.state.Phase != Alerting && calls > 0:
		w := weight(d.Z, r.state.suspicion(&r.rule))
		if !r.rule.Matters(d.Seen, d.Expected) {
			w = 1 // too small to matter is normal
		}
		r.normal.add(calls, failed, 1-w/ratioMemory, w)
		expected := float64(calls) * p0
		r.dispersion.learn(float64(failed)-expected, expected, d.Z, w)
	}
	if !r.state.Deviating() {
		r.deviation, r.candidate = share{}, share{}
	}
}

// unknown is the relative variance of a share that was learned from few calls.
func unknown(p, calls float64) float64 { return min(1, (1-p)/(p*max(calls, 1))) }
