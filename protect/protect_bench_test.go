package protect_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

// fastBody is a body that costs nothing.
type fastBody struct{}

func (fastBody) Read([]byte) (int, error) { return 0, nil }
func (fastBody) Close() error             { return nil }

// bare is the transport and the handler that the guarded ones are held against.
var (
	bare = roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: fastBody{}, Request: r}, nil
	})
	bareHandler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
)

func full(tb testing.TB, timeout time.Duration) *guard.Guard {
	l, err := ratelimit.New("all", ratelimit.Config{Limit: 1 << 40, Per: time.Second})
	if err != nil {
		tb.Fatal(err)
	}
	return newGuard(tb, guard.Config{Breaker: newBreaker(tb, 5), RateLimit: l, Concurrency: 1000, Timeout: timeout})
}

// cancelable is what net/http gives to a server's requests.
func cancelable(tb testing.TB) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return ctx
}

func transportCall(tb testing.TB, rt http.RoundTripper) func() {
	req := outgoing(cancelable(tb), nil)
	return func() {
		resp, err := rt.RoundTrip(req)
		if err != nil {
			tb.Fatal(err)
		}
		resp.Body.Close()
	}
}

func handlerCall(tb testing.TB, h http.Handler) func() {
	req := httptest.NewRequestWithContext(cancelable(tb), http.MethodGet, "/", nil)
	w := &plainWriter{header: http.Header{}}
	return func() { h.ServeHTTP(w, req) }
}

func functionCall(g *guard.Guard) func() {
	double := protect.Func(g, func(_ context.Context, n int) (int, error) { return 2 * n, nil })
	return func() { _, _ = double(context.Background(), 21) }
}

func TestAllocations(t *testing.T) {
	transport := testing.AllocsPerRun(100, transportCall(t, bare))
	handler := testing.AllocsPerRun(100, handlerCall(t, bareHandler))
	for _, c := range []struct {
		name  string
		bare  float64
		call  func()
		bound float64
	}{
		{"transport", transport, transportCall(t, protect.Transport(bare, full(t, 0))), 3},
		{"transport with a timeout", transport, transportCall(t, protect.Transport(bare, full(t, time.Minute))), 8},
		{"function", 0, functionCall(full(t, 0)), 0},
		{"handler", handler, handlerCall(t, protect.Handler(bareHandler, full(t, 0), protect.KeyByRemoteIP())), 3},
		{"handler with a timeout", handler, handlerCall(t, protect.Handler(bareHandler, full(t, time.Minute), protect.KeyByRemoteIP())), 8},
	} {
		more := testing.AllocsPerRun(100, c.call) - c.bare
		t.Logf("%s: %v allocations more than the bare one", c.name, more)
		if more > c.bound && !testkit.Race {
			t.Errorf("%s: %v allocations more than the bare one, at most %v are allowed", c.name, more, c.bound)
		}
	}
}

func BenchmarkTransport(b *testing.B) {
	bench(b, transportCall, map[string]http.RoundTripper{
		"bare": bare, "guarded": protect.Transport(bare, full(b, 0)), "timeout": protect.Transport(bare, full(b, time.Minute)),
	})
}

func BenchmarkHandler(b *testing.B) {
	bench(b, handlerCall, map[string]http.Handler{
		"bare":    bareHandler,
		"guarded": protect.Handler(bareHandler, full(b, 0), protect.KeyByRemoteIP()),
		"timeout": protect.Handler(bareHandler, full(b, time.Minute), protect.KeyByRemoteIP()),
	})
}

func bench[T any](b *testing.B, call func(testing.TB, T) func(), subjects map[string]T) {
	for _, name := range []string{"bare", "guarded", "timeout"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			once := call(b, subjects[name])
			for b.Loop() {
				once()
			}
		})
	}
}
