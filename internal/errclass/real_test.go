package errclass_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/errclass"
	"github.com/elixirscope/foundation/internal/testkit/broken"
)

// provoked is a way in which a real server of the kernel and of net/http fails.
type provoked struct {
	name string
	want errclass.Class
	url  func(t *testing.T) string
	with func(t *http.Transport)
}

// TestOf_RealErrors asks servers that fail in each way: the errors are those that a
// release of Go really hands out.
func TestOf_RealErrors(t *testing.T) {
	for _, c := range []provoked{
		{"closed port", errclass.Refused, broken.Closed, nil},
		{"reset", errclass.Reset, broken.Talk(func(c *net.TCPConn) { _ = c.SetLinger(0) }), nil},
		{"empty reply", errclass.EOF, broken.Talk(func(*net.TCPConn) {}), nil},
		{"half an answer", errclass.EOF, broken.Says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), nil},
		{"half a header", errclass.EOF, broken.Says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"), nil},
		{"half a chunk", errclass.EOF, broken.Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf"), nil},
		{"garbage", errclass.Protocol, broken.Says("garbage, no answer\r\n\r\n"), nil},
		{"a header that is none", errclass.Protocol, broken.Says("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), nil},
		{"a status that is none", errclass.Protocol, broken.Says("HTTP/1.1 abc OK\r\n\r\n"), nil},
		{"a chunk that is none", errclass.Protocol, broken.Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), nil},
		{"an endless header", errclass.Protocol, broken.Says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200_000) + "\r\n\r\n"), func(t *http.Transport) { t.MaxResponseHeaderBytes = 1000 }},
		{"HTTP/2 to HTTP/1", errclass.Protocol, broken.Says("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), speakHTTP2},
		{"no header in time", errclass.Timeout, broken.Silent, func(t *http.Transport) { t.ResponseHeaderTimeout = 20 * time.Millisecond }},
		{"no handshake in time", errclass.Timeout, broken.Secure(broken.Silent), func(t *http.Transport) { t.TLSHandshakeTimeout = 20 * time.Millisecond }},
		{"no such name", errclass.DNS, func(*testing.T) string { return "http://nobody.test/" }, func(t *http.Transport) { t.DialContext = broken.Nameless }},
		{"unknown authority", errclass.TLS, broken.TLS(time.Hour, "127.0.0.1", nil), nil},
		{"expired", errclass.TLS, broken.TLS(-time.Hour, "127.0.0.1", nil), trusting},
		{"another name", errclass.TLS, broken.TLS(time.Hour, "192.0.2.1", nil), trusting},
		{"no certificate of ours", errclass.TLS, broken.TLS(time.Hour, "127.0.0.1", func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), trusting},
		{"no version in common", errclass.TLS, broken.TLS(time.Hour, "127.0.0.1", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), func(t *http.Transport) {
			trusting(t)
			t.TLSClientConfig.MinVersion = tls.VersionTLS13
		}},
		{"HTTP instead of TLS", errclass.TLS, broken.Secure(broken.Says("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")), nil},
		{"something instead of TLS", errclass.TLS, broken.Secure(broken.Says("220 mail.test ESMTP\r\n")), nil},
		{"closed in the handshake", errclass.EOF, broken.Secure(broken.Talk(func(*net.TCPConn) {})), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			transport := &http.Transport{}
			if c.with != nil {
				c.with(transport)
			}
			defer transport.CloseIdleConnections()
			err := ask(t, &http.Client{Transport: transport}, c.url(t))
			if err == nil {
				t.Fatal("it did not fail")
			}
			if got := errclass.Of(err); got != c.want {
				t.Errorf("%q, want %q: %v (%T)", got, c.want, err, err)
			}
		})
	}
}

// A handler that panics resets the stream, and one that ends the connection says so.
func TestOf_RealErrorsOfHTTP2(t *testing.T) {
	for path, want := range map[string]errclass.Class{"/header": errclass.Reset, "/body": errclass.Reset} {
		srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/body" {
				_ = http.NewResponseController(w).Flush()
			}
			panic(http.ErrAbortHandler)
		})}
		srv.Protocols.SetUnencryptedHTTP2(true)
		ln := broken.Listen(t)
		done := make(chan struct{})
		go func() { defer close(done); _ = srv.Serve(ln) }()
		transport := &http.Transport{}
		speakHTTP2(transport)
		err := ask(t, &http.Client{Transport: transport}, "http://"+ln.Addr().String()+path)
		if got := errclass.Of(err); got != want {
			t.Errorf("%s: %q, want %q: %v (%T)", path, got, want, err, err)
		}
		transport.CloseIdleConnections()
		_ = srv.Close()
		<-done
	}
}

// ask returns the error of a request, or of reading its answer.
func ask(t *testing.T, client *http.Client, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err //nolint:wrapcheck // it is what is tested
	}
	defer func() { _ = resp.Body.Close() }()
	_, err = io.Copy(io.Discard, resp.Body)
	return err //nolint:wrapcheck // it is what is tested
}

func speakHTTP2(t *http.Transport) {
	t.Protocols = new(http.Protocols)
	t.Protocols.SetUnencryptedHTTP2(true)
}

func trusting(t *http.Transport) {
	pool := x509.NewCertPool()
	pool.AddCert(broken.Authority)
	t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}
