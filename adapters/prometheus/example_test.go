package prometheus_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	client "github.com/prometheus/client_golang/prometheus"

	"github.com/elixirscope/foundation/adapters/prometheus"
)

func ExampleHandler() {
	handler := prometheus.Handler(source{call("success", "checkout", 41)})
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, _ := io.ReadAll(answer.Body)
	fmt.Printf("%.147s", body)
	// Output:
	// # HELP foundation_calls_total Calls by outcome.
	// # TYPE foundation_calls_total counter
	// foundation_calls_total{guard="checkout",outcome="success"} 41
}

func ExampleNewCollector() {
	registry := client.NewRegistry()
	registry.MustRegister(prometheus.NewCollector(source{call("success", "checkout", 41)}))
	families, _ := registry.Gather()
	fmt.Println(families[0].GetName(), families[0].GetMetric()[0].GetCounter().GetValue())
	// Output: foundation_calls_total 41
}
