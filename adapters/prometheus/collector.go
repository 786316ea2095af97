package prometheus

import (
	"strings"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/elixirscope/foundation/telemetry"
)

// MaxSeries is the greatest number of series of one metric.
const MaxSeries = 10_000

var dropped = telemetry.Desc{
	Name: "foundation_metrics_series_dropped",
	Help: "Series left out of this scrape, as duplicates or beyond the bound of their metric.",
	Kind: telemetry.Gauge,
}

// collector keeps nothing between scrapes, so it needs no lock.
type collector struct {
	source telemetry.Source
}

// NewCollector returns a collector of everything that source measures. It is
// "unchecked" in the words of the client library: what series there are is known
// only when source is asked, because parts come and go at run time. Register it
// once. It is safe for concurrent use.
func NewCollector(source telemetry.Source) client.Collector { return collector{source} }

// Describe implements the client's Collector. It sends nothing, which is what
// marks the collector as unchecked.
func (c collector) Describe(chan<- *client.Desc) {}

// Collect implements the client's Collector.
func (c collector) Collect(ch chan<- client.Metric) {
	s := scrape{out: ch, descs: map[*telemetry.Desc]*client.Desc{}, seen: map[string]bool{}, series: map[string]int{}}
	c.source.Collect(s.add)
	ch <- &metric{desc: s.desc(&dropped), kind: telemetry.Gauge, value: float64(s.dropped)}
}

// scrape is one call of Collect. It belongs to one goroutine.
type scrape struct {
	out     chan<- client.Metric
	descs   map[*telemetry.Desc]*client.Desc
	seen    map[string]bool // series, by metric and label values
	series  map[string]int  // number of series, by metric
	dropped int
}

// add sends one sample, unless it would make the scrape fail or grow without
// bound: Prometheus refuses a whole scrape for one series that comes twice.
func (s *scrape) add(sample telemetry.Sample) {
	values := cleanAll(sample.Labels, len(sample.Desc.Labels))
	id := sample.Desc.Name + "\xff" + strings.Join(values, "\xff")
	if s.seen[id] || s.series[sample.Desc.Name] >= MaxSeries {
		s.dropped++
		return
	}
	s.seen[id] = true
	s.series[sample.Desc.Name]++
	s.out <- &metric{
		desc:         s.desc(sample.Desc),
		kind:         sample.Desc.Kind,
		labels:       pairs(sample.Desc.Labels, values),
		value:        sample.Value,
		distribution: sample.Distribution,
	}
}

func (s *scrape) desc(d *telemetry.Desc) *client.Desc {
	if known := s.descs[d]; known != nil {
		return known
	}
	made := client.NewDesc(d.Name, d.Help, d.Labels, nil)
	s.descs[d] = made
	return made
}
