package prometheus_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/adapters/prometheus"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source emits fixed samples.
type source []telemetry.Sample

func (s source) Collect(emit func(telemetry.Sample)) {
	for _, sample := range s {
		emit(sample)
	}
}

var (
	calls    = telemetry.Desc{Name: "foundation_calls_total", Help: "Calls by outcome.", Labels: []string{"outcome", "guard"}}
	inFlight = telemetry.Desc{Name: "foundation_in_flight", Help: "Calls running now.", Kind: telemetry.Gauge, Labels: []string{"guard"}}
	duration = telemetry.Desc{Name: "foundation_call_duration_seconds", Help: "Duration of calls.", Kind: telemetry.Histogram, Labels: []string{"guard"}}
)

func call(outcome, guard string, n float64) telemetry.Sample {
	return telemetry.Sample{Desc: &calls, Labels: []string{outcome, guard}, Value: n}
}

func TestCollector_ExposesEveryKindAndSeriesAtZero(t *testing.T) {
	h := histogram.New()
	h.Record(40 * time.Microsecond)
	h.Record(3 * time.Millisecond)
	h.Record(3 * time.Millisecond)
	h.Record(65 * time.Second)
	c := prometheus.NewCollector(source{
		call("success", "checkout", 41),
		call("failure", "checkout", 0),
		{Desc: &inFlight, Labels: []string{"checkout"}, Value: 2},
		{Desc: &duration, Labels: []string{"checkout"}, Distribution: h.Snapshot()},
	})
	const want = `
# HELP foundation_call_duration_seconds Duration of calls.
# TYPE foundation_call_duration_seconds histogram
foundation_call_duration_seconds_bucket{guard="checkout",le="0.0001"} 1
foundation_call_duration_seconds_bucket{guard="checkout",le="0.00025"} 1
foundation_call_duration_seconds_bucket{guard="checkout",le="0.0005"} 1
foundation_call_duration_seconds_bucket{guard="checkout",le="0.001"} 1
foundation_call_duration_seconds_bucket{guard="checkout",le="0.0025"} 1
foundation_call_duration_seconds_bucket{guard="checkout",le="0.005"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="0.01"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="0.025"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="0.05"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="0.1"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="0.25"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="0.5"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="1"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="2.5"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="5"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="10"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="30"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="60"} 3
foundation_call_duration_seconds_bucket{guard="checkout",le="+Inf"} 4
foundation_call_duration_seconds_sum{guard="checkout"} 65.00604
foundation_call_duration_seconds_count{guard="checkout"} 4
# HELP foundation_calls_total Calls by outcome.
# TYPE foundation_calls_total counter
foundation_calls_total{guard="checkout",outcome="failure"} 0
foundation_calls_total{guard="checkout",outcome="success"} 41
# HELP foundation_in_flight Calls running now.
# TYPE foundation_in_flight gauge
foundation_in_flight{guard="checkout"} 2
# HELP foundation_metrics_series_dropped Series left out of this scrape, as duplicates or beyond the bound of their metric.
# TYPE foundation_metrics_series_dropped gauge
foundation_metrics_series_dropped 0
`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestCollector_PartsComeAndGo(t *testing.T) {
	parts := source{call("success", "a", 1)}
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.NewCollector(&parts))
	for _, want := range []int{2, 3, 1} { // with the series that counts what was dropped
		if got, err := testutil.GatherAndCount(registry); err != nil || got != want {
			t.Errorf("gathered %d series (%v), want %d", got, err, want)
		}
		parts = append(parts, call("success", "b", 0))
		if want == 3 {
			parts = nil
		}
	}
}

func TestScenario110_HostileNamesAreBounded(t *testing.T) {
	long := strings.Repeat("é", 5000)
	hostile := source{
		call("success", "\xff\xfe", 1),
		call("success", "new\nline\"quote\\", 2),
		call("success", long+"a", 3),
		call("success", long+"b", 4),
		call("success", "", 5),
		call("success", "twice", 6),
		call("success", "twice", 7),
		{Desc: &calls, Labels: []string{"too few"}, Value: 8},
		{Desc: &calls, Labels: []string{"too", "many", "values"}, Value: 9},
		{Desc: &duration, Labels: []string{"no distribution"}},
	}
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.NewCollector(hostile))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	distinct := map[string]bool{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			id := family.GetName()
			for _, label := range m.GetLabel() {
				if v := label.GetValue(); len(v) > prometheus.MaxLabelValue || !utf8.ValidString(v) {
					t.Errorf("label value of %d bytes, valid %v", len(v), utf8.ValidString(v))
				}
				id += "|" + label.GetValue()
			}
			distinct[id] = true
			if family.GetName() == "foundation_metrics_series_dropped" && m.GetGauge().GetValue() != 1 {
				t.Errorf("dropped %v series, want 1", m.GetGauge().GetValue())
			}
		}
	}
	if len(distinct) != 10 {
		t.Errorf("%d distinct series, want 10: %v", len(distinct), distinct)
	}
}

func TestCollector_ANumberOfSeriesIsTheMost(t *testing.T) {
	flood := make(source, 0, prometheus.MaxSeries+5)
	for i := range prometheus.MaxSeries + 5 {
		flood = append(flood, call("success", time.Duration(i).String(), 1))
	}
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.NewCollector(flood))
	if got, err := testutil.GatherAndCount(registry, "foundation_calls_total"); err != nil || got != prometheus.MaxSeries {
		t.Errorf("gathered %d series (%v), want %d", got, err, prometheus.MaxSeries)
	}
}

func TestCollector_KeepsTheRulesOfTheLinter(t *testing.T) {
	c := prometheus.NewCollector(source{call("success", "a", 1), {Desc: &inFlight, Labels: []string{"a"}}, {Desc: &duration, Labels: []string{"a"}}})
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

type panicking struct{}

func (panicking) Collect(func(telemetry.Sample)) { panic("a source that fails") }

func TestHandler_AFailingCollectorCostsItsOwnSeriesOnly(t *testing.T) {
	server := httptest.NewServer(prometheus.Handler(source{call("success", "a", 1)}, prometheus.NewCollector(panicking{})))
	defer server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := `foundation_calls_total{guard="a",outcome="success"} 1`; resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		t.Errorf("status %d, body %q", resp.StatusCode, body)
	}
}

// What code calls a part may hold quotes, backslashes and letters of any script.
func TestNamesOfAnyScriptAreScraped(t *testing.T) {
	names := []string{"LLM Service", `a "b" \ c`, "決済", strings.Repeat("é", 64), "grpc-pool-dns:///db.example:443"}
	var parts source
	for _, name := range names {
		g, err := guard.New(name, guard.Config{})
		if err != nil {
			t.Fatal(err)
		}
		g.Collect(func(s telemetry.Sample) { parts = append(parts, s) })
	}
	w := httptest.NewRecorder()
	prometheus.Handler(parts).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, name := range names {
		if label := `guard="` + escape.Replace(name) + `"`; !strings.Contains(w.Body.String(), label) {
			t.Errorf("%s is not in\n%s", label, w.Body.String())
		}
	}
}
