package adminapi

import (
	"io"
	"net/http"
)

// Probes answers GET /livez, /readyz, /startupz and /metrics, and nothing else.
// The answers are one word: who may ask is not known.
//
// Liveness depends on nothing but this process: a probe that failed because a
// dependency does would make the platform restart what works. Readiness says
// that requests are accepted, and goes off first when the daemon stops; an open
// breaker does not touch it, or every instance would leave the balancer at once.
func Probes(ready func() bool, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	always := func() bool { return true }
	mux.HandleFunc("GET /livez", probe(always))
	mux.HandleFunc("GET /startupz", probe(always)) // it listens only once it has started
	mux.HandleFunc("GET /readyz", probe(ready))
	mux.Handle("GET /metrics", metrics)
	return mux
}

func probe(ok func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		if !ok() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(w, `{"status":"fail"}`+"\n")
			return
		}
		_, _ = io.WriteString(w, `{"status":"pass"}`+"\n")
	}
}
