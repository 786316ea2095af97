package prometheus

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"

	own "github.com/elixirscope/foundation/internal/histogram"
)

// The client library's own histogram serves as the oracle: fed the midpoints of
// the buckets that ours was recorded in, it must fill the same native and classic
// buckets.
func TestHistogram_AgreesWithTheClientLibrary(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		ours := own.New()
		for range random.IntN(200) {
			ours.Record(time.Duration(random.Int64N(1 << random.IntN(37))))
		}
		oracle := client.NewHistogram(client.HistogramOpts{
			Name: "oracle", Buckets: bounds[:], NativeHistogramBucketFactor: 1.1, NativeHistogramZeroThreshold: zeroThreshold,
		})
		snapshot := ours.Snapshot()
		snapshot.Each(func(lower, upper float64, n uint64) bool {
			for range n {
				oracle.Observe(lower + (upper-lower)/2)
			}
			return true
		})
		var want dto.Metric
		if err := oracle.Write(&want); err != nil {
			t.Fatal(err)
		}
		compare(t, round, histogram(snapshot), want.GetHistogram())
	}
}

func compare(t *testing.T, round int, got, want *dto.Histogram) {
	t.Helper()
	if got.GetSchema() != want.GetSchema() || got.GetSampleCount() != want.GetSampleCount() || got.GetZeroCount() != want.GetZeroCount() {
		t.Errorf("round %d: schema %d, count %d, zero %d; want %d, %d, %d", round, got.GetSchema(), got.GetSampleCount(),
			got.GetZeroCount(), want.GetSchema(), want.GetSampleCount(), want.GetZeroCount())
	}
	for i, bucket := range want.GetBucket() {
		if !proto.Equal(got.GetBucket()[i], bucket) {
			t.Errorf("round %d: classic bucket %v, want %v", round, got.GetBucket()[i], bucket)
		}
	}
	if g, w := decode(got), decode(want); !slices.Equal(g, w) {
		t.Errorf("round %d: native buckets %v, want %v", round, g, w)
	}
}

type nativeBucket struct {
	index int32
	count int64
}

// decode expands spans and deltas; two histograms may cut their spans in
// different places and mean the same.
func decode(h *dto.Histogram) []nativeBucket {
	var (
		out   []nativeBucket
		index int32
		count int64
		next  int
	)
	for _, span := range h.GetPositiveSpan() {
		index += span.GetOffset()
		for range span.GetLength() {
			count += h.GetPositiveDelta()[next]
			next++
			if count > 0 {
				out = append(out, nativeBucket{index, count})
			}
			index++
		}
	}
	return out
}

func TestHistogram_OfNothingIsStillNative(t *testing.T) {
	h := histogram(nil)
	if len(h.GetPositiveSpan()) != 1 || h.GetSampleCount() != 0 || len(h.GetBucket()) != len(bounds) {
		t.Errorf("empty histogram: %v", h)
	}
}
