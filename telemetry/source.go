package telemetry

// Kind says how the values of a metric are read.
type Kind uint8

// The kinds of metric.
const (
	Counter Kind = iota // only ever rises
	Gauge
	Histogram
)

// Desc describes one metric. Parts declare theirs as package variables.
type Desc struct {
	Name   string   // Prometheus spelling, base units, as in "foundation_calls_total"
	Help   string   // one sentence
	Kind   Kind     //
	Labels []string // label names; the values come from configuration only, never from traffic
}

// Sample is one series' present value.
type Sample struct {
	Desc         *Desc
	Labels       []string     // values, in the order of Desc.Labels
	Value        float64      // for counters and gauges
	Distribution Distribution // for histograms
}

// Distribution is a histogram at one moment, in the base unit of its metric.
type Distribution interface {
	// Count is the number of observations; it is the sum over all buckets.
	Count() uint64
	// Sum is the sum of all observations.
	Sum() float64
	// Each calls yield for every bucket that is not empty, in rising order, until
	// yield returns false. Bounds are [lower, upper).
	Each(yield func(lower, upper float64, count uint64) bool)
}

// Source is a part that can be measured. Collect calls emit once for every
// series that the part has, also for those at zero, so that a series exists from
// the start. It must be safe for concurrent use and should take no lock that a
// call could wait for.
type Source interface {
	Collect(emit func(Sample))
}
