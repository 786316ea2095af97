package main

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// recordScenarios record the duration of a call. The peers count no outcome. Prometheus'
// native histogram and OpenTelemetry's exponential one are the nearest in what they keep;
// HdrHistogram, which is not safe for concurrent use, stands behind a mutex.
func recordScenarios() []scenario {
	var all []scenario
	for _, m := range append(modes(), mode{"64-goroutines", 64}) {
		all = append(all, scenario{
			name: "record/" + m.name, workers: m.workers, ours: recorder("foundation", ourRecorder),
			peers: []contender{
				recorder("prometheus-classic", promClassic), recorder("prometheus-native", promNative),
				recorder("otel-exponential", otelExponential), recorder("hdrhistogram+mutex", hdrWithMutex),
			},
		})
	}
	return all
}

// recorder records a walk through a few hundred buckets.
func recorder(name string, start func() func(time.Duration)) contender {
	return contender{name: name, start: func() (loop, func()) {
		record := start()
		return func(worker, n int) {
			d := time.Duration(worker+1) * time.Millisecond
			for range n {
				record(d)
				if d += 9_973; d > 100*time.Millisecond {
					d = time.Millisecond
				}
			}
		}, nil
	}}
}

func ourRecorder() func(time.Duration) {
	op := new(perf.Operation)
	return func(d time.Duration) { op.Record(d, outcome.Success) }
}

func promClassic() func(time.Duration) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x"})
	return func(d time.Duration) { h.Observe(d.Seconds()) }
}

func promNative() func(time.Duration) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", NativeHistogramBucketFactor: 1.1})
	return func(d time.Duration) { h.Observe(d.Seconds()) }
}

func otelExponential() func(time.Duration) {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()), sdkmetric.WithView(sdkmetric.NewView(
		sdkmetric.Instrument{Name: "x"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
	)))
	h := must(provider.Meter("bench").Float64Histogram("x", metric.WithUnit("s")))
	ctx := context.Background()
	return func(d time.Duration) { h.Record(ctx, d.Seconds()) }
}

func hdrWithMutex() func(time.Duration) {
	var mu sync.Mutex // guards h
	h := hdrhistogram.New(1, int64(time.Minute), 2)
	return func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		_ = h.RecordValue(int64(d)) // within the range
	}
}
