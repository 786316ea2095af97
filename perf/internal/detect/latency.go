package detect

import (
	"math"
	"time"
)

// Latency watches how many calls take longer than a quantile of the baseline. The zero value
// is not usable; see [NewLatency].
type Latency struct {
	rule     Rule
	quantile float64
	upper    []float64 // upper bounds of the buckets

	state      State
	normal     []float64 // decayed counts of clean ticks, by bucket
	calls      float64   // their sum
	candidate  []float64 // the same since the onset: what is accepted if it lasts
	deviation  []float64 // since the onset, exact
	dispersion dispersion
}

// NewLatency returns a detector for one quantile, as in 0.99, of histograms whose buckets end
// at the upper bounds, ascending, in seconds. The last one may be infinite.
func NewLatency(rule *Rule, quantile float64, upper []float64) *Latency {
	n := len(upper)
	return &Latency{
		rule: *rule, quantile: quantile, upper: upper,
		normal: make([]float64, n), candidate: make([]float64, n), deviation: make([]float64, n),
	}
}

// Configure changes the thresholds from the next tick on.
func (l *Latency) Configure(rule *Rule) { l.rule = *rule }

// State returns what the alert core remembers.
func (l *Latency) State() State { return l.state }

// Observe takes the histogram of one tick: counts by bucket, which are not kept. Buckets
// beyond the bounds are ignored.
func (l *Latency) Observe(at time.Time, counts []uint64) Decision {
	counts = counts[:min(len(counts), len(l.upper))]
	edge, p0 := l.edge()
	var calls, above uint64
	for i, n := range counts {
		calls += n
		l.deviation[i] += float64(n)
		if i > edge {
			above += n
		}
	}
	n := float64(calls)
	z := l.dispersion.centered(excess(float64(above), n, n*p0, l.dispersion.variance()+unknown(p0, l.calls)))
	e := Evidence{
		At: at, Usable: calls > 0, Z: z, Correlation: l.dispersion.correlation(),
		Seen: l.value(l.deviation), Expected: l.value(l.normal), Calls: calls,
	}
	var d Decision
	l.state, d = l.rule.Step(l.state, &e)
	l.learn(counts, calls, float64(above), n*p0, &d)
	return d
}

// edge returns the bucket that holds the quantile of the baseline, and the share of the
// baseline's calls beyond it. A bound of a bucket instead of the quantile itself makes the
// counts exact, however coarse the buckets are.
func (l *Latency) edge() (bucket int, beyond float64) {
	const least = 1e-4 // as little as a baseline of a few thousand calls can know
	above := l.calls
	for i, n := range l.normal {
		above -= n
		if above <= l.calls*(1-l.quantile) {
			return i, min(max(above/max(l.calls, 1), least), 1-least)
		}
	}
	return len(l.normal) - 1, least
}

func (l *Latency) learn(counts []uint64, calls uint64, above, mean float64, d *Decision) {
	fold(l.candidate, counts, 1-1.0/ratioMemory, 1)
	switch {
	case d.Change == Accepted:
		copy(l.normal, l.candidate)
		l.calls = total(l.normal)
	case l.state.Phase != Alerting && calls > 0:
		w := weight(d.Z, l.state.suspicion(&l.rule))
		if !l.rule.Matters(d.Seen, d.Expected) {
			w = 1 // too small to matter is normal
		}
		l.calls = fold(l.normal, counts, 1-w/ratioMemory, w)
		l.dispersion.learn(above-mean, mean, d.Z, w)
	}
	if !l.state.Deviating() {
		clear(l.deviation)
		clear(l.candidate)
	}
}

// fold adds counts to decayed ones and returns their new sum.
func fold(into []float64, counts []uint64, keep, weight float64) float64 {
	sum := 0.0
	for i := range into {
		into[i] *= keep
		if i < len(counts) {
			into[i] += float64(counts[i]) * weight
		}
		sum += into[i]
	}
	return sum
}

func total(counts []float64) float64 {
	sum := 0.0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// value returns the quantile of a histogram, interpolated within its bucket.
func (l *Latency) value(counts []float64) float64 {
	rank := total(counts) * l.quantile
	lower := 0.0
	for i, n := range counts {
		if n > 0 && rank <= n {
			upper := l.upper[i]
			if math.IsInf(upper, 1) {
				return lower
			}
			return lower + (upper-lower)*rank/n
		}
		rank -= n
		lower = l.upper[i]
	}
	return 0
}
