package adminapi

import (
	"net/http"

	"github.com/elixirscope/foundation/health/healthhttp"
)

// Probes answers the probes, see package healthhttp, and GET /metrics, and nothing else.
// health must tell no details: who may ask is not known.
func Probes(health, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if healthhttp.Answers(r.URL.Path) {
			health.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
	return mux
}
