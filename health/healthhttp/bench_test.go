package healthhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/health/healthhttp"
)

// BenchmarkHealthz is one answer of /healthz with the checks of a large program; p99 is that
// of 1,000 callers at once.
func BenchmarkHealthz(b *testing.B) {
	for _, details := range []bool{false, true} {
		b.Run(fmt.Sprintf("details=%v", details), func(b *testing.B) {
			a := health.New(health.Options{})
			for i := range 50 {
				if err := a.Add(health.Check{Name: fmt.Sprint("check", i), Run: func(context.Context) error { return nil }}); err != nil {
					b.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan struct{})
			go func() { defer close(ended); _ = a.Serve(ctx) }()
			defer func() { cancel(); <-ended }()
			h := healthhttp.Handler(a, healthhttp.Options{Details: details})
			const callers = 1000
			var mu sync.Mutex
			var all []time.Duration
			b.ResetTimer()
			var asking sync.WaitGroup
			for caller := range callers {
				asking.Go(func() {
					var mine []time.Duration
					for range (b.N + caller) / callers {
						begin := time.Now()
						h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody))
						mine = append(mine, time.Since(begin))
					}
					mu.Lock()
					defer mu.Unlock()
					all = append(all, mine...)
				})
			}
			asking.Wait()
			b.StopTimer()
			slices.Sort(all)
			if len(all) > 0 {
				b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "p99-ns")
			}
		})
	}
}
