package gateway_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// hello answers as a small API does.
func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"hello":"world","numbers":[1,2,3,4,5,6,7,8,9,10]}`)
}

// drive sends requests to a front server in parallel; what is measured is the
// whole way of a request over TCP, client and upstream included.
func drive(b *testing.B, front http.Handler) {
	server := httptest.NewServer(front)
	defer server.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			resp, err := client.Get(server.URL)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				b.Errorf("status %d", resp.StatusCode)
				return
			}
		}
	})
}

// bare is the yardstick: the standard library's proxy with the connections of
// ours, so that what is compared is what we add.
func bare(target string) http.Handler {
	u, _ := url.Parse(target)
	return &httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(u); pr.SetXForwarded() },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: gateway.Buffers,
	}
}

func BenchmarkBareReverseProxy(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(hello))
	defer upstream.Close()
	drive(b, bare(upstream.URL))
}

func BenchmarkGateway(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(hello))
	defer upstream.Close()
	g := gateway.New(slog.New(slog.DiscardHandler))
	table, err := g.Prepare(config.Gateway{Routes: []config.Route{{Match: "/", Upstream: upstream.URL, Guard: "g", Key: "{remote_ip}"}}})
	if err != nil {
		b.Fatal(err)
	}
	if err := g.Use(table, benchGuard(b)); err != nil {
		b.Fatal(err)
	}
	drive(b, g)
}

// benchGuard has everything that a usual route has.
func benchGuard(b *testing.B) func(string) (*guard.Guard, error) {
	b.Helper()
	g, err := guard.New("g", fullGuard(b, 5*time.Second))
	if err != nil {
		b.Fatal(err)
	}
	return func(string) (*guard.Guard, error) { return g, nil }
}

func fullGuard(tb testing.TB, timeout time.Duration) guard.Config {
	tb.Helper()
	br, err := breaker.New("b", breaker.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	limit, err := ratelimit.New("l", ratelimit.Config{Limit: 1e9})
	if err != nil {
		tb.Fatal(err)
	}
	return guard.Config{Breaker: br, RateLimit: limit, Timeout: timeout, Concurrency: 1000}
}
