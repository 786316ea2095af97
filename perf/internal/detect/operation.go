package detect

import "time"

// Kind is what an operation is watched for.
type Kind uint8

// The kinds, which index [Decisions].
const (
	KindLatency Kind = iota
	KindErrors
	KindThroughput
	Kinds = 3
)

// String returns the kind in lower case.
func (k Kind) String() string {
	switch k {
	case KindLatency:
		return "latency"
	case KindErrors:
		return "errors"
	case KindThroughput:
		return "throughput"
	default:
		return "unknown"
	}
}

// Config holds the thresholds of an operation; see [DefaultConfig].
type Config struct {
	Latency    Rule
	Errors     Rule
	Throughput Rule
	ErrorFloor float64 // share of failures below which a baseline counts as this
}

// DefaultConfig returns the thresholds for ticks of a length. Durations follow the tick, down
// to the few ticks that a decision needs.
func DefaultConfig(tick time.Duration) Config {
	ticks := func(d time.Duration, least int) int { return max(least, int(d/max(tick, time.Second))) }
	common := Rule{
		WarmUp: 30, WarmUpCalls: 200,
		High: 4, HighTicks: 3, Window: 5,
		Drift: 1, Limit: 8, Clip: 5,
		MinRelative: 0.2, MinCalls: 10,
		Calm: 2, CalmTicks: 5, Keep: ticks(5*time.Minute, 5),
		AcceptAfter: ticks(time.Hour, 60), StaleAfter: ticks(5*time.Minute, 5),
	}
	c := Config{Latency: common, Errors: common, Throughput: common, ErrorFloor: 1e-4}
	c.Latency.MinAbsolute = 0.001 // seconds
	c.Errors.MinAbsolute = 0.005
	// An outage of an hour is not normal: errors are accepted after a day.
	c.Errors.AcceptAfter = ticks(24*time.Hour, 60)
	// A tick without calls is the evidence here, not the lack of it.
	c.Throughput.MinCalls, c.Throughput.StaleAfter = 0, 0
	return c
}

// Operation watches the calls of one operation. Make one with [NewOperation]. It may not be
// used concurrently.
type Operation struct {
	p90, p99   *Latency
	errors     *Ratio
	throughput *Rate
	latency    Phase // of both quantiles together
}

// Tick is what happened in one tick. Buckets count the calls by duration, within the bounds
// that the operation was made with; their sum may fall short of Calls.
type Tick struct {
	At      time.Time
	Calls   uint64
	Errors  uint64
	Buckets []uint64
}

// Decisions holds one decision for each kind.
type Decisions [Kinds]Decision

// NewOperation returns a detector for histograms whose buckets end at the upper bounds,
// ascending, in seconds. The last one may be infinite.
func NewOperation(c *Config, upper []float64) *Operation {
	return &Operation{
		p90: NewLatency(&c.Latency, 0.9, upper), p99: NewLatency(&c.Latency, 0.99, upper),
		errors: NewRatio(&c.Errors, c.ErrorFloor), throughput: NewRate(&c.Throughput),
	}
}

// Configure changes the thresholds from the next tick on. No state is lost.
func (o *Operation) Configure(c *Config) {
	o.p90.Configure(&c.Latency)
	o.p99.Configure(&c.Latency)
	o.errors.Configure(&c.Errors, c.ErrorFloor)
	o.throughput.Configure(&c.Throughput)
}

// EndAlerts takes back the alerts that are on and the suspicions of others. What is normal
// stays known.
func (o *Operation) EndAlerts() {
	for _, l := range []*Latency{o.p90, o.p99} {
		l.state.end()
		clear(l.deviation)
		clear(l.candidate)
	}
	o.errors.state.end()
	o.errors.deviation, o.errors.candidate = share{}, share{}
	o.throughput.state.end()
	o.throughput.seen, o.throughput.ticks, o.throughput.candidate = 0, 0, 0
	o.latency = min(o.latency, Normal)
}

// Observe takes one tick. It keeps nothing of t and allocates nothing.
func (o *Operation) Observe(t *Tick) Decisions {
	return Decisions{
		KindLatency:    o.observeLatency(t),
		KindErrors:     o.errors.Observe(t.At, t.Calls, t.Errors),
		KindThroughput: o.throughput.Observe(t.At, t.Calls),
	}
}

// observeLatency makes one alert of the two quantiles: it lasts while either does.
func (o *Operation) observeLatency(t *Tick) Decision {
	p90, p99 := o.p90.Observe(t.At, t.Buckets), o.p99.Observe(t.At, t.Buckets)
	d := stronger(p90, p99)
	before := o.latency
	o.latency = d.Phase
	d.Change = Unchanged
	switch {
	case before == d.Phase:
	case d.Phase == Alerting:
		d.Change = Triggered
	case before == Alerting && (p90.Change == Accepted || p99.Change == Accepted):
		d.Change = Accepted
	case before == Alerting:
		d.Change = Resolved
	case before == Learning:
		d.Change = Learned
	}
	return d
}

// stronger returns the decision that says more.
func stronger(p90, p99 Decision) Decision {
	if p90.Phase != p99.Phase {
		if p90.Phase > p99.Phase {
			return p90
		}
		return p99
	}
	if p99.Score > p90.Score {
		return p99
	}
	return p90
}
