package perf

import (
	"time"

	"github.com/elixirscope/foundation/perf/internal/detect"
)

// detectorScale gives the detectors four buckets for each doubling, from 8 µs on: fine
// enough for a quantile of a baseline, and small for thousands of operations.
const (
	detectorScale  scale = 2
	detectorFirst        = 48 // with all below it: up to 10 µs
	detectorLength       = (maxBits-2)<<2 + 1<<2 - detectorFirst
)

// detectorBounds are the upper bounds of the detectors' buckets, in seconds.
var detectorBounds = func() (upper []float64) {
	for i := detectorFirst; i < detectorScale.buckets(); i++ {
		_, high := detectorScale.bounds(i)
		upper = append(upper, high.Seconds())
	}
	return upper
}()

// detectorOf maps the buckets of a tick to those of the detectors.
var detectorOf = func() (table [len(open{}.took)]uint8) {
	for i := range table {
		table[i] = uint8(max(0, detectorScale.of(i, slotScale)-detectorFirst))
	}
	return table
}()

// watches are the detectors of one operation, and its alerts.
type watches struct {
	learned  *detect.Operation // nil until there were calls
	phases   [detect.Kinds]detect.Phase
	normal   [detect.Kinds]float64 // what the baselines expect
	hand     *byHand               // nil where nothing was set
	promises []*promise
	alerts   [kindCount]alerting
	ticks    int // in which there were calls, while it learns
}

// configure gives the detectors the settings of the operation; those that stay keep what
// they know.
func (w *watches) configure(name string, c *Config, d *detect.Config) {
	if w.learned != nil {
		w.learned.Configure(d)
	}
	if t, set := c.Thresholds[name]; !set {
		w.hand = nil
	} else {
		if w.hand == nil {
			w.hand = newByHand()
		}
		w.hand.configure(t, c)
	}
	var promises []*promise
	add := func(p *promise) {
		for _, old := range w.promises {
			if old.same(p) {
				p = old
			}
		}
		promises = append(promises, p)
	}
	if o, set := c.Objectives[name]; set {
		o = o.withDefaults()
		if o.Success > 0 {
			add(newPromise("success", o.Success, 0, o.Period))
		}
		if o.Latency > 0 {
			add(newPromise("latency", o.LatencyShare, o.Latency, o.Period))
		}
	}
	w.promises = promises
}

// forget begins to learn anew.
func (w *watches) forget() {
	w.learned, w.phases, w.normal, w.ticks = nil, [detect.Kinds]detect.Phase{}, [detect.Kinds]float64{}, 0
}

// set reports whether somebody said what is expected of the operation.
func (w *watches) set() bool { return w.hand != nil || len(w.promises) > 0 }

// alerting reports whether an alert is on.
func (w *watches) alerting() bool {
	for k := range w.alerts {
		if w.alerts[k].on {
			return true
		}
	}
	return false
}

// add counts a second.
func (w *watches) add(second int64, d *delta) {
	if w.hand != nil {
		w.hand.add(d)
	}
	for _, p := range w.promises {
		p.add(second, d)
	}
}

// endAlerts takes back what the detectors say, and keeps what they have learned.
func (w *watches) endAlerts() {
	if w.learned != nil {
		w.learned.EndAlerts()
	}
	for k := range w.phases {
		w.phases[k] = min(w.phases[k], detect.Normal)
	}
	if w.hand != nil {
		w.hand.endAlerts()
	}
	for _, p := range w.promises {
		p.state = detect.State{Phase: detect.Normal}
	}
	w.alerts = [kindCount]alerting{}
}

// skip forgets what was counted for a tick that is not judged.
func (w *watches) skip() {
	if w.hand != nil {
		w.hand.over = [4]uint64{}
	}
}

// judgement is what the detectors of an operation say of one tick.
type judgement [kindCount]findings

// findings are those of one kind: at most one of each cause, and two of objectives.
type findings struct {
	n  int
	of [2]finding
}

func (f *findings) add(one finding) {
	f.of[f.n] = one
	f.n++
}

func (f *findings) all() []finding { return f.of[:f.n] }

// judge judges a tick into m.judged; o is nil where there were never any calls.
func (w *watches) judge(at time.Time, second int64, o *open, m *Monitor) {
	for k := range m.judged {
		m.judged[k].n = 0
	}
	if w.hand != nil { // first: what somebody has set says more than what was learned
		now := o
		if now == nil {
			now = &m.nothing
		}
		w.hand.tick(at, now, m.config.Tick, &m.judged)
	}
	if o != nil {
		w.judgeLearned(at, o, m)
	}
	for _, p := range w.promises {
		m.judged[ObjectiveKind].add(p.tick(at, second, int(m.config.Hold/m.config.Tick)))
	}
}

func (w *watches) judgeLearned(at time.Time, o *open, m *Monitor) {
	if w.learned == nil {
		w.learned = detect.NewOperation(&m.detector, detectorBounds)
	}
	if o.Calls() > 0 {
		w.ticks++
	}
	clear(m.buckets[:])
	for i, n := range o.took {
		m.buckets[detectorOf[i]] += uint64(n)
	}
	rules := [...]*detect.Rule{detect.KindLatency: &m.detector.Latency, detect.KindErrors: &m.detector.Errors, detect.KindThroughput: &m.detector.Throughput}
	for k, d := range w.learned.Observe(&detect.Tick{At: at, Calls: o.Calls(), Errors: o.Failed, Buckets: m.buckets[:]}) {
		w.phases[k], w.normal[k] = d.Phase, d.Expected
		f := finding{
			firing: d.Phase == detect.Alerting, near: d.Phase == detect.Normal && d.Score >= 0.5 && rules[k].Matters(d.Seen, d.Expected), hot: d.Z >= m.detector.Latency.High, accepted: d.Change == detect.Accepted,
			cause: ByBaseline, measure: [...]string{"latency", "errors", "rate"}[k], seen: d.Seen, against: d.Expected, since: d.Onset, calls: d.Calls,
			severe: detect.Kind(k) != detect.KindThroughput,
		}
		if detect.Kind(k) == detect.KindThroughput {
			f.seen, f.against = f.seen/m.config.Tick.Seconds(), f.against/m.config.Tick.Seconds()
			w.normal[k] = f.against
		}
		m.judged[k].add(f)
	}
}
