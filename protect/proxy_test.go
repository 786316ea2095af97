package protect_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
)

// proxyTo is a reverse proxy as the gateway builds it.
func proxyTo(t *testing.T, upstream string) http.Handler {
	t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: transport, ErrorLog: quiet, FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			protect.ReportError(r.Context(), err)
			protect.WriteRefusal(w, r, err)
		},
	}
}

func TestPeer10_AProxiedClientThatLeavesFreesItsPlaceAndIsNeutral(t *testing.T) {
	arrived := make(chan struct{})
	upstream, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	}))
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	front, client := serve(t, protect.Handler(proxyTo(t, upstream), g))
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-arrived; cancel() }()
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, front, nil)
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			t.Fatal("a canceled request was answered")
		}
		waitFor(t, "the place comes back", func() bool { return isFree(g) })
	}
	if b.State() != breaker.StateClosed {
		t.Error("clients that left opened the breaker")
	}
}

func TestHandler_UpstreamThatIsDown(t *testing.T) {
	dead := httptest.NewServer(answer(200))
	dead.Close()
	b := newBreaker(t, 3)
	front, client := serve(t, protect.Handler(proxyTo(t, dead.URL), newGuard(t, guard.Config{Breaker: b})))
	for i := range 3 {
		if status, body, _ := get(t, client, front); status != 502 || strings.Contains(body, "refused") {
			t.Errorf("%d: %d %s", i+1, status, body)
		}
	}
	if status, body, _ := get(t, client, front); status != 503 || !strings.Contains(body, "circuit_open") || b.State() != breaker.StateOpen {
		t.Errorf("%d %s, breaker %v", status, body, b.State())
	}
}

func TestHandler_UpstreamThatDiesInTheMiddle(t *testing.T) {
	upstream, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	b := newBreaker(t, 1)
	front, client := serve(t, protect.Handler(proxyTo(t, upstream), newGuard(t, guard.Config{Breaker: b})))
	resp := open(t, client, front)
	_, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err == nil {
		t.Error("half an answer arrived as a whole one")
	}
	waitFor(t, "the failure is counted", func() bool { return b.State() == breaker.StateOpen })
}

func TestHandler_HTTP2(t *testing.T) {
	var proto atomic.Value
	s := httptest.NewUnstartedServer(protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		_, _ = io.WriteString(w, "first ")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		_, _ = io.WriteString(w, "second")
	}), newGuard(t, guard.Config{})))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	client := s.Client()
	client.Transport = protect.Transport(client.Transport, newGuard(t, guard.Config{}))
	defer client.CloseIdleConnections()
	if status, body, _ := get(t, client, s.URL); status != 200 || body != "first second" || proto.Load() != "HTTP/2.0" {
		t.Errorf("%d %q by %v", status, body, proto.Load())
	}
}
