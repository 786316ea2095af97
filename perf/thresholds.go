package perf

import (
	"time"

	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/perf/internal/detect"
)

// finding is what one detector says of an operation in one tick.
type finding struct {
	firing   bool
	near     bool // it is not firing, and this tick looked like it
	hot      bool // it is firing, and this tick was no better
	cause    Cause
	measure  string  // "p99", "errors", "rate", …
	seen     float64 // in seconds, as a share, or in calls a second
	against  float64
	since    time.Time
	calls    uint64
	severe   bool
	accepted bool // it ended because what was seen has become normal
	ticks    int  // of so many…
	of       int
	window   time.Duration // of an objective
}

// byHand watches one operation for the bounds that somebody set.
type byHand struct {
	Threshold

	rule   detect.Rule
	states [kindCount]detect.State
	over   [4]uint64 // calls of this tick beyond each bound of the latency
	seen   [kindCount]finding
}

func (b *byHand) configure(t Threshold, c *Config) {
	before := b.Threshold
	if b.Threshold = t.withDefaults(); before != b.Threshold {
		b.over = [4]uint64{} // was counted beyond other bounds
	}
	hold := int(c.Hold / c.Tick)
	b.rule = detect.Rule{
		High: 1, HighTicks: b.For, Window: b.Of, Calm: 0.5, CalmTicks: b.Of, Keep: hold, StaleAfter: max(hold, b.Of),
	}
}

func newByHand() *byHand {
	b := new(byHand)
	b.endAlerts()
	return b
}

func (b *byHand) endAlerts() {
	for i := range b.states {
		b.states[i] = detect.State{Phase: detect.Normal} // nothing has to be learned
	}
}

// add counts a second.
func (b *byHand) add(d *delta) {
	for i, q := range b.quantiles() {
		if q.bound > 0 {
			b.over[i] += d.beyond(q.bound)
		}
	}
}

// beyond counts the calls that took longer than a bound, but for those in its bucket.
func (d *delta) beyond(bound time.Duration) (n uint64) {
	for i := max(d.low, histogram.BucketOf(bound)+1); i <= d.top; i++ {
		n += uint64(d.took[i])
	}
	return n
}

// tick judges a tick.
func (b *byHand) tick(at time.Time, o *open, length time.Duration, out *judgement) {
	b.step(Latency, at, o.measured(), o.measured() >= uint64(b.MinCalls), b.slowest(o), out)
	b.step(Errors, at, o.Calls(), o.Calls() >= uint64(b.MinCalls), b.failing(o), out)
	b.step(Throughput, at, o.Calls(), true, b.rate(o, length), out)
	b.over = [4]uint64{}
}

// breach is a bound and how a tick stands to it.
type breach struct {
	set, broken   bool
	measure       string
	seen, against float64
}

// slowest is the bound of the latency that is broken, or one that is not.
func (b *byHand) slowest(o *open) (out breach) {
	n := o.measured()
	for i, q := range b.quantiles() {
		if q.bound == 0 || out.broken {
			continue
		}
		out = breach{
			set: true, measure: q.name, against: q.bound.Seconds(), seen: o.quantile(q.q).Seconds(),
			broken: n > 0 && b.over[i] > n-rank(q.q, n),
		}
		if out.broken { // the buckets of a tick are coarser than what was counted beyond the bound
			out.seen = max(out.seen, out.against)
		}
	}
	return out
}

func (b *byHand) failing(o *open) breach {
	return breach{set: b.Threshold.Errors > 0, measure: "errors", seen: o.ErrorRatio(), against: b.Threshold.Errors, broken: o.ErrorRatio() > b.Threshold.Errors}
}

func (b *byHand) rate(o *open, length time.Duration) breach {
	rate := float64(o.Calls()) / length.Seconds()
	out := breach{set: b.MinRate > 0 || b.MaxRate > 0, measure: "rate", seen: rate, against: b.MinRate, broken: rate < b.MinRate}
	if b.MaxRate > 0 && (b.MinRate == 0 || rate > b.MaxRate) {
		out.against, out.broken = b.MaxRate, rate > b.MaxRate
	}
	return out
}

func (b *byHand) step(k Kind, at time.Time, calls uint64, usable bool, now breach, out *judgement) {
	if !now.set {
		b.states[k] = detect.State{Phase: detect.Normal}
		return
	}
	e := detect.Evidence{At: at, Usable: usable, Seen: now.seen, Expected: now.against, Calls: calls}
	if now.broken {
		e.Z = 1
	}
	var d detect.Decision
	b.states[k], d = b.rule.Step(b.states[k], &e)
	f := finding{
		firing: d.Phase == detect.Alerting, near: usable && now.broken, hot: usable && now.broken, cause: ByThreshold, measure: now.measure, seen: now.seen, against: now.against,
		since: d.Onset, calls: d.Calls, severe: true, ticks: b.For, of: b.Of,
	}
	if f.firing && !now.broken { // it is told by what broke the bound
		f.measure, f.seen, f.against = b.seen[k].measure, b.seen[k].seen, b.seen[k].against
	} else {
		b.seen[k] = f
	}
	out[k].add(f)
}
