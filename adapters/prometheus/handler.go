package prometheus

import (
	"net/http"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/elixirscope/foundation/telemetry"
)

// maxScrapes bounds the scrapes that are answered at once; the rest get 503.
const maxScrapes = 8

// Handler answers scrapes of everything that source measures, and of more
// collectors if any are given, from a registry of its own: nothing is registered
// globally. A collector that fails costs its own series and not the scrape. It
// panics if one of more cannot be registered, which is a programming error.
func Handler(source telemetry.Source, more ...client.Collector) http.Handler {
	registry := client.NewRegistry()
	registry.MustRegister(NewCollector(source))
	registry.MustRegister(more...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
		CoalesceGather:      true,
	})
}
