package prometheus

import (
	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/elixirscope/foundation/telemetry"
)

// metric is one series of one scrape. It implements the client's Metric itself,
// because the constant metrics of the client library carry either classic or
// native buckets, never both.
type metric struct {
	desc         *client.Desc
	kind         telemetry.Kind
	labels       []*dto.LabelPair
	value        float64
	distribution telemetry.Distribution
}

// Desc implements the client's Metric.
func (m *metric) Desc() *client.Desc { return m.desc }

// Write implements the client's Metric.
func (m *metric) Write(out *dto.Metric) error {
	out.Label = m.labels
	switch m.kind {
	case telemetry.Counter:
		out.Counter = &dto.Counter{Value: &m.value}
	case telemetry.Gauge:
		out.Gauge = &dto.Gauge{Value: &m.value}
	case telemetry.Histogram:
		out.Histogram = histogram(m.distribution)
	}
	return nil
}
