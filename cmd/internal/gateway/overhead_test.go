package gateway_test

import (
	"bytes"
	"context"
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
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
)

// atOnce is an upstream without a network. With the context it does what
// http.Transport does, because what that costs depends on what the context is.
type atOnce struct{}

func (atOnce) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	_ = ctx.Done() // the transport waits for it
	body := &wholeBody{cancel: cancel}
	body.Reset(smallAnswer)
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req,
		Header:        http.Header{"Content-Type": {"application/json"}, "Date": {"Mon, 23 Nov 2026 10:00:00 GMT"}},
		ContentLength: int64(len(smallAnswer)), Body: body,
	}, nil
}

var smallAnswer = []byte(`{"hello":"world","numbers":[1,2,3,4,5,6,7,8,9,10]}`)

// wholeBody reports the end with the last byte, as a body of known length does.
type wholeBody struct {
	bytes.Reader

	cancel context.CancelCauseFunc
}

func (b *wholeBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.Len() == 0 {
		err = io.EOF
	}
	return n, err
}

func (b *wholeBody) Close() error {
	b.cancel(io.EOF)
	return nil
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) WriteHeader(int)             {}

// alone returns a request to h without a network on either side: what is left is
// what the proxy itself does.
func alone(ctx context.Context, h http.Handler) func() {
	original := httptest.NewRequest(http.MethodGet, "/some/path?x=1", nil)
	original.Header = http.Header{"User-Agent": {"bench"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}}
	w := &nowhere{header: http.Header{}}
	return func() {
		ctx, cancel := context.WithCancel(ctx) // as a server has it for every request
		clear(w.header)
		h.ServeHTTP(w, original.WithContext(ctx))
		cancel()
	}
}

func bareAlone() http.Handler {
	u, _ := url.Parse("http://upstream")
	transport := &http.Transport{}
	transport.RegisterProtocol("http", atOnce{})
	return &httputil.ReverseProxy{
		Rewrite:    func(pr *httputil.ProxyRequest) { pr.SetURL(u); pr.SetXForwarded() },
		Transport:  transport,
		BufferPool: gateway.Buffers,
	}
}

func gatewayAlone(tb testing.TB, route settings.Route, cfg guard.Config, upstream http.RoundTripper) http.Handler {
	tb.Helper()
	return gatewayAloneWith(tb, slog.DiscardHandler, settings.AccessLogOff, route, cfg, upstream)
}

// gatewayAloneTo is one with an access log of all requests, and a guard that does nothing.
func gatewayAloneTo(tb testing.TB, log io.Writer, route settings.Route, upstream http.RoundTripper) http.Handler {
	tb.Helper()
	return gatewayAloneWith(tb, slog.NewJSONHandler(log, nil), settings.AccessLogAll, route, guard.Config{}, upstream)
}

func gatewayAloneWith(tb testing.TB, log slog.Handler, access string, route settings.Route, cfg guard.Config, upstream http.RoundTripper) http.Handler {
	tb.Helper()
	g := gateway.New(slog.New(log))
	route.Match = "/"
	if len(route.Upstreams) == 0 {
		route.Upstream = "http://upstream"
	}
	table, err := g.Prepare(tb.Context(), settings.Gateway{Routes: []settings.Route{route}, AccessLog: settings.AccessLog{Mode: access}})
	if err != nil {
		tb.Fatal(err)
	}
	table.Intercept(upstream)
	gd, err := guard.New("g", cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := g.Use(table, func(string) (*guard.Guard, error) { return gd, nil }); err != nil {
		tb.Fatal(err)
	}
	return g
}

// guarded is a route as most are.
var guarded = settings.Route{Guard: "g", Key: "{remote_ip}"}

// spreading is one that has several upstreams.
var spreading = settings.Route{Guard: "g", Key: "{remote_ip}", Upstreams: []string{"http://upstream", "http://upstream:81", "http://upstream:82"}}

// fullGuard has everything that a usual route has.
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

// What the gateway adds to a request, the guard with its time limit included. The
// bound is what it was when it was last looked at: a request that costs more has
// to have a reason.
func TestTheGatewayAddsFewAllocations(t *testing.T) {
	const bound = 11
	bare := testing.AllocsPerRun(1000, alone(t.Context(), bareAlone()))
	ours := testing.AllocsPerRun(1000, alone(t.Context(), gatewayAlone(t, guarded, fullGuard(t, 5*time.Second), atOnce{})))
	if !testkit.Race && ours > bare+bound {
		t.Errorf("a bare proxy allocates %v times, the gateway %v: more than %d on top", bare, ours, bound)
	}
	spread := testing.AllocsPerRun(1000, alone(t.Context(), gatewayAlone(t, spreading, fullGuard(t, 5*time.Second), atOnce{})))
	if !testkit.Race && spread > ours {
		t.Errorf("with one upstream there are %v allocations, with three %v", ours, spread)
	}
}

func BenchmarkAlone(b *testing.B) {
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{
		{"bare ReverseProxy", bareAlone()},
		{"no guard", gatewayAlone(b, settings.Route{}, guard.Config{}, atOnce{})},
		{"guard", gatewayAlone(b, guarded, fullGuard(b, 0), atOnce{})},
		{"guard with a timeout", gatewayAlone(b, guarded, fullGuard(b, 5*time.Second), atOnce{})},
		{"and three upstreams", gatewayAlone(b, spreading, fullGuard(b, 5*time.Second), atOnce{})},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			request := alone(b.Context(), c.handler)
			for b.Loop() {
				request()
			}
		})
	}
}
