package healthhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/health/healthhttp"
)

// The probes below a prefix of the program's own server.
func Example() {
	a := health.New(health.Options{})
	mux := http.NewServeMux()
	mux.Handle("/internal/", http.StripPrefix("/internal", healthhttp.Handler(a, healthhttp.Options{})))
	probe := func(path string) {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		fmt.Print(w.Code, " ", w.Body)
	}
	probe("/internal/readyz")
	a.Drain()
	probe("/internal/readyz")
	probe("/internal/livez")
	// Output:
	// 200 {"status":"pass"}
	// 503 {"status":"fail"}
	// 200 {"status":"pass"}
}
