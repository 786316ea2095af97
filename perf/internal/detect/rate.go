package detect

import (
	"math"
	"time"
)

// Rate watches the number of calls in each tick for drops. The zero value is not usable; see
// [NewRate].
type Rate struct {
	rule Rule

	state      State
	normal     float64 // calls a tick
	candidate  float64 // since the onset, as it would be accepted
	seen       float64 // calls since the onset
	ticks      float64 // since the onset
	learned    float64 // ticks, up to the memory
	risen      int     // ticks in a row that were clamped
	dispersion dispersion
}

// rateMemory is the mean age of what the level of a rate holds, in ticks: short enough to
// follow a day's rise and fall, long enough that an incident is over or accepted before.
const rateMemory = 60

// NewRate returns a detector for throughput drops.
func NewRate(rule *Rule) *Rate { return &Rate{rule: *rule} }

// Configure changes the thresholds from the next tick on.
func (r *Rate) Configure(rule *Rule) { r.rule = *rule }

// State returns what the alert core remembers.
func (r *Rate) State() State { return r.state }

// Observe takes the number of calls of one tick, which may be none.
func (r *Rate) Observe(at time.Time, calls uint64) Decision {
	z := r.dispersion.centered(shortfall(float64(calls), r.normal, r.dispersion.variance()))
	r.seen += float64(calls)
	r.ticks++
	e := Evidence{
		At: at, Usable: true, Z: z, Correlation: r.dispersion.correlation(),
		Seen: r.seen / r.ticks, Expected: r.normal, Calls: calls,
	}
	var d Decision
	r.state, d = r.rule.Step(r.state, &e)
	r.learn(float64(calls), &d)
	return d
}

func (r *Rate) learn(calls float64, d *Decision) {
	r.candidate += (calls - r.candidate) / min(r.ticks, rateMemory)
	switch {
	case d.Change == Accepted:
		r.normal = r.candidate
	case r.state.Phase != Alerting:
		r.learned = min(r.learned+1, rateMemory)
		w := weight(d.Z, r.state.suspicion(&r.rule))
		if r.learned < rateMemory/2 || !r.rule.Matters(d.Seen, d.Expected) {
			w = 1 // too small to matter is normal
		}
		expected := r.normal
		r.normal += w * (r.clamped(calls) - r.normal) / r.learned
		r.dispersion.learn(expected-calls, expected, d.Z, w)
	}
	if !r.state.Deviating() {
		r.seen, r.ticks, r.candidate = 0, 0, 0
	}
}

// clamped bounds how far one burst lifts the level, for its end would look like a drop. A
// rise that lasts is a level.
func (r *Rate) clamped(calls float64) float64 {
	most := r.normal + 3*math.Sqrt(r.normal+1+r.normal*r.normal*r.dispersion.variance())
	if calls <= most {
		r.risen = 0
		return calls
	}
	r.risen++
	if r.learned < 5 || r.risen > rateMemory/2 {
		return calls
	}
	return most
}
