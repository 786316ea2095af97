// Package prometheus exports what a [telemetry.Source] measures to Prometheus.
//
// # Usage
//
//	registry.MustRegister(prometheus.NewCollector(fnd))   // with a registry of your own
//	mux.Handle("GET /metrics", prometheus.Handler(fnd))   // or by itself
//
// Nothing is counted twice: the numbers are those that the parts keep anyway,
// and they are read when Prometheus asks. A call pays nothing for the export.
//
// # Series
//
// A series exists from the moment its part is configured, at zero, and goes with
// its part. Label values come from configuration; a value that is not valid
// UTF-8 or longer than [MaxLabelValue] is made so, and of two series that would
// be the same after that the first is kept. A metric has at most [MaxSeries]
// series. What is left out is counted in foundation_metrics_series_dropped.
//
// # Histograms
//
// One metric carries both kinds of buckets: classic ones for every Prometheus,
// and native ones (schema 3, 9 % wide) for those that scrape them. The parts
// record in buckets that are at most 1/32 wide; one that straddles a bound of the
// export counts on the side of its midpoint, so a bound is off by at most 1/64.
package prometheus
