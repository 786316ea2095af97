package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// The errors of the transport have no types: this holds their texts against those of
// the release that the gateway is built with. Most of these requests end before the
// guard, see examine; if they did not, they should still be the client's fault.
func TestWhatTheTransportRefusesToSendIsTheClientsFault(t *testing.T) {
	up := httptest.NewUnstartedServer(http.NotFoundHandler())
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetHTTP1(true)
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	defer up.Close()
	const http1, http2 = "HTTP/1.1", "HTTP/2"
	for _, c := range []struct {
		name   string
		over   []string
		change func(*http.Request)
	}{
		{"header name", []string{http1, http2}, func(r *http.Request) { r.Header["X A"] = []string{"x"} }},
		{"header value", []string{http1, http2}, func(r *http.Request) { r.Header["X"] = []string{"a\nb"} }},
		{"trailer name", []string{http1, http2}, func(r *http.Request) { r.Trailer = http.Header{"X A": nil} }},
		{"trailer value", []string{http1, http2}, func(r *http.Request) { r.Trailer = http.Header{"X": {"a\x00b"}} }},
		{"forbidden trailer", []string{http1, http2}, func(r *http.Request) { r.Trailer = http.Header{"Content-Length": nil} }},
		{"method", []string{http1, http2}, func(r *http.Request) { r.Method = "A B" }},
		{"control character in the target", []string{http1}, func(r *http.Request) { r.URL.RawQuery = "a\x01" }},
		{"path", []string{http2}, func(r *http.Request) { r.URL.Opaque = "x" }},
		{"host", []string{http2}, func(r *http.Request) { r.Host = "a b" }},
		{"host that is no name", []string{http1, http2}, func(r *http.Request) { r.Host = "xn--\xff\xc3\xa9" }},
		{"upgrade", []string{http2}, func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }},
		{"connection", []string{http2}, func(r *http.Request) { r.Header.Set("Connection", "x") }},
		{"transfer encoding", []string{http2}, func(r *http.Request) { r.Header.Set("Transfer-Encoding", "x") }},
	} {
		for _, over := range c.over {
			transport := newTransport(peerID{h2c: over == http2}, nil)
			req := httptest.NewRequest(http.MethodPost, up.URL, io.MultiReader(strings.NewReader("body")))
			req.RequestURI, req.ContentLength = "", -1
			c.change(req)
			resp, err := transport.RoundTrip(req)
			if err == nil {
				_ = resp.Body.Close()
				t.Errorf("%s over %s: it was sent", c.name, over)
				continue
			}
			if bad, ok := clientsFault(err); !ok || bad.status != http.StatusBadRequest {
				t.Errorf("%s over %s: %v, answered %+v", c.name, over, err, bad)
			}
			transport.CloseIdleConnections()
		}
	}
}

// What examine lets through, the proxy sends.
func TestWhatTheProxyRefusesIsTheClientsFault(t *testing.T) {
	rt, err := newRoute(settings.Route{Upstream: "http://127.0.0.1:1"}, settings.Gateway{})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []string{"\x80", "a\tb", "\x7f"} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", protocol)
		if _, bad := rt.examine(r); !bad {
			t.Errorf("%q: nothing was found", protocol)
		}
	}
}

func TestFailuresOfTheUpstreamAreNotTheClients(t *testing.T) {
	for _, text := range []string{
		"EOF", "unexpected EOF", "http: server closed idle connection", "net/http: HTTP/1.x transport connection broken: malformed HTTP response",
		"net/http: server response headers exceeded 1048576 bytes; aborted", "http2: Transport received GOAWAY from server ErrCode:ENHANCE_YOUR_CALM",
		"http2: client conn could not be established", "dial tcp 127.0.0.1:1: connect: connection refused", "http2: response header list larger than advertised limit",
	} {
		if bad, is := unsendable(text); is {
			t.Errorf("%q: answered %+v", text, bad)
		}
	}
}

// FuzzExamine holds what examine lets through against what the transport sends.
func FuzzExamine(f *testing.F) {
	for _, s := range [][5]string{
		{"GET", "example.org", "a=b", "X-Sum", "websocket"},
		{"A B", "a b", "a b", "X A", "\x80"},
		{"", "", "", "", ""},
		{"P\xc3\x96ST", "xn--\xff", "\x7f", "Content-Length", "a, b"},
	} {
		f.Add(s[0], s[1], s[2], s[3], s[4])
	}
	up := httptest.NewUnstartedServer(http.NotFoundHandler())
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetHTTP1(true)
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	f.Cleanup(up.Close)
	transports := []*http.Transport{newTransport(peerID{}, nil), newTransport(peerID{h2c: true}, nil)}
	f.Cleanup(func() {
		for _, t := range transports {
			t.CloseIdleConnections()
		}
	})
	f.Fuzz(func(t *testing.T, method, host, query, trailer, protocol string) {
		target, err := url.ParseRequestURI("/?" + query) // what the server does
		if err != nil || method == http.MethodConnect {
			return
		}
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.Method, r.Host, r.URL, r.ProtoMajor = method, host, target, 2
		switch trailer := http.CanonicalHeaderKey(trailer); trailer {
		case "Trailer", "Transfer-Encoding", "Content-Length": // the server does not let them through
		default:
			r.Trailer = http.Header{trailer: nil}
		}
		for _, transport := range transports {
			h2c := transport == transports[1]
			r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {protocol}}
			if h2c {
				r.Header = http.Header{}
			}
			if _, bad := (&route{}).examine(r); bad {
				continue
			}
			out := r.Clone(t.Context())
			out.RequestURI, out.Body, out.ContentLength = "", io.NopCloser(strings.NewReader("body")), -1
			out.URL.Scheme, out.URL.Host = "http", strings.TrimPrefix(up.URL, "http://")
			resp, err := transport.RoundTrip(out)
			if err != nil {
				t.Fatalf("%q %q %q %q %q: %v", method, host, query, trailer, protocol, err)
			}
			_ = resp.Body.Close()
		}
	})
}
