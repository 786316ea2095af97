package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// rig is a gateway in front of an upstream, over TCP on both sides.
type rig struct {
	*testing.T

	gateway *gateway.Gateway
	server  *httptest.Server
	breaker *breaker.Breaker
	guard   *guard.Guard
	config  settings.Gateway
	client  *http.Client
}

// settings change the one route of a rig and the guard that it passes.
type setup struct {
	overrides map[string]ratelimit.Override
	gateway   settings.Gateway
	route     settings.Route
	guard     guard.Config
	limit     ratelimit.Config // no rule if its limit is 0
	log       io.Writer
	dial      func(ctx context.Context, network, address string) (net.Conn, error) // nil: over the network
}

// newRig serves a gateway whose route goes to upstream through a guard with a
// breaker that never opens, so that its counts tell what the guard was told.
func newRig(t *testing.T, upstream http.Handler, change func(*setup)) *rig {
	t.Helper()
	up := httptest.NewServer(upstream)
	t.Cleanup(up.Close)
	return newRigTo(t, up.URL, change)
}

func newRigTo(t *testing.T, upstream string, change func(*setup)) *rig {
	t.Helper()
	s := setup{route: settings.Route{Match: "/", Upstream: upstream, Guard: "g"}, log: io.Discard}
	if change != nil {
		change(&s)
	}
	r := &rig{T: t, gateway: gateway.New(slog.New(slog.NewJSONHandler(s.log, nil)))}
	r.guard = r.newGuard(s)
	s.gateway.Routes = append([]settings.Route{s.route}, s.gateway.Routes...)
	r.config = s.gateway
	table, err := r.gateway.Prepare(t.Context(), s.gateway)
	if err != nil {
		t.Fatal(err)
	}
	if s.dial != nil {
		table.DialWith(s.dial)
	}
	if err := r.gateway.Use(table, func(string) (*guard.Guard, error) { return r.guard, nil }); err != nil {
		t.Fatal(err)
	}
	r.server = httptest.NewUnstartedServer(r.gateway)
	r.server.Listener = r.gateway.Listener(r.server.Listener)
	r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	r.server.Config.Protocols = new(http.Protocols)
	r.server.Config.Protocols.SetHTTP1(true)
	r.server.Config.Protocols.SetUnencryptedHTTP2(true)
	r.server.Start()
	transport := &http.Transport{}
	r.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.gateway.Close(canceled())
		r.server.Close()
	})
	return r
}

// http2 returns a client that speaks HTTP/2 from its first byte.
func (r *rig) http2() *http.Client {
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	r.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// http2Get is the beginning of a connection of HTTP/2 with one request: the
// preface, empty settings, and GET / for http://x in HPACK without a table. Each
// window has its first size, 64 KiB less one byte.
const http2Get = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
	"\x00\x00\x00\x04\x00\x00\x00\x00\x00" +
	"\x00\x00\x06\x01\x05\x00\x00\x00\x01" + "\x82\x84\x86\x01\x01x"

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (r *rig) newGuard(s setup) *guard.Guard {
	r.Helper()
	var err error
	if r.breaker, err = breaker.New("b", breaker.Config{FailureThreshold: 1000}); err != nil {
		r.Fatal(err)
	}
	s.guard.Breaker = r.breaker
	if s.limit.Limit > 0 {
		if s.guard.RateLimit, err = ratelimit.New("secret-rule-name", s.limit); err != nil {
			r.Fatal(err)
		}
		if err := s.guard.RateLimit.SetOverrides(s.overrides); err != nil {
			r.Fatal(err)
		}
	}
	g, err := guard.New("g", s.guard)
	if err != nil {
		r.Fatal(err)
	}
	return g
}

// answer is a response with its body read.
type answer struct {
	*http.Response

	body string
}

func (r *rig) get(path string) answer { return r.do(r.request(http.MethodGet, path, nil)) }

func (r *rig) request(method, path string, body io.Reader) *http.Request {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+path, body)
	if err != nil {
		r.Fatal(err)
	}
	return req
}

func (r *rig) do(req *http.Request) answer {
	r.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return answer{resp, string(body)}
}

// outcomes waits until n calls are settled, which may be a moment after the
// client has its answer, and returns what the guard's breaker counted.
func (r *rig) outcomes(n uint64) breaker.Counts {
	r.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		c := r.breaker.Status().Totals
		if c.Successes+c.Failures+c.Ignored >= n {
			return c
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			r.Fatal("the call was never settled")
		}
	}
}

// deadline fails a test that would hang.
func (r *rig) within(what string, done <-chan struct{}) {
	r.Helper()
	select {
	case <-done:
	case <-time.NewTimer(30 * time.Second).C:
		r.Fatal(what + " never happened")
	}
}

// hello answers as a small API does.
func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(smallAnswer)
}
