package gateway_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// raw sends text as it is and returns the connection, with a reader of answers.
func (r *rig) raw(text string) (net.Conn, *bufio.Reader) {
	r.Helper()
	conn, err := new(net.Dialer).DialContext(r.Context(), "tcp", r.server.Listener.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		r.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		r.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func (r *rig) status(answers *bufio.Reader) int {
	r.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		r.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

const stalledUpload = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"

// A server drains a body before it answers: without a deadline it would wait for
// a client that sends nothing for as long as the client likes.
func TestARefusedClientThatDoesNotSendItsBodyIsAnsweredAndCut(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), func(s *setup) {
		s.limit = ratelimit.Config{Limit: 1, Per: time.Hour}
	})
	r.get("/")
	_, answers := r.raw(stalledUpload)
	if code := r.status(answers); code != http.StatusTooManyRequests {
		t.Errorf("answered %d", code)
	}
	if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection stays open: %v", err)
	}
}

func TestAnAdmittedClientThatDoesNotSendItsBodyIsAnsweredAndCut(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }), func(s *setup) {
		s.gateway.Limits.BodyIdleTimeout = 50 * time.Millisecond
	})
	_, answers := r.raw(stalledUpload)
	r.status(answers)
	if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection stays open: %v", err)
	}
	if c := r.outcomes(1); c.Ignored != 1 {
		t.Errorf("counted %+v", c)
	}
}

// Anybody could open the breaker for all others otherwise.
func TestAnUploadThatTheClientDoesNotFinishInTimeIsNotTheUpstreamsFault(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }), func(s *setup) {
		s.guard.Timeout = 50 * time.Millisecond
	})
	_, answers := r.raw(stalledUpload)
	if code := r.status(answers); code != http.StatusGatewayTimeout {
		t.Errorf("answered %d", code)
	}
	if c := r.outcomes(1); c.Ignored != 1 {
		t.Errorf("counted %+v", c)
	}
}

// The end of the request's time must not reach the connection of a client that
// sent all it had announced: its next request comes on it.
func TestATimeoutAfterAWholeUploadLeavesTheConnectionUsable(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) > 0 {
			<-r.Context().Done()
		}
	}), func(s *setup) {
		s.guard.Timeout = 100 * time.Millisecond
	})
	conn, answers := r.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	if code := r.status(answers); code != http.StatusGatewayTimeout {
		t.Fatalf("answered %d", code)
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if code := r.status(answers); code != http.StatusOK {
		t.Errorf("the next request was answered %d", code)
	}
}

func TestAnUpstreamThatDoesNotAnswerAnUploadInTimeFailed(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}), func(s *setup) {
		s.guard.Timeout = 50 * time.Millisecond
	})
	if got := r.do(r.request(http.MethodPost, "/", strings.NewReader("all of it"))); got.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("answered %d", got.StatusCode)
	}
	if c := r.outcomes(1); c.Failures != 1 {
		t.Errorf("counted %+v", c)
	}
}

// lingering is a body whose end comes when it is told to.
type lingering struct{ reading, end chan struct{} }

func (b lingering) Read([]byte) (int, error) {
	close(b.reading)
	<-b.end
	return 0, io.EOF
}

// early answers while it reads the body, as http.Transport does.
type early struct {
	body lingering
	done chan struct{}
}

func (e *early) RoundTrip(req *http.Request) (*http.Response, error) {
	go func() {
		defer close(e.done)
		_, _ = req.Body.Read(make([]byte, 1))
	}()
	<-e.body.reading
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
}

// stream is one of HTTP/2, which must not be touched after its handler returned.
type stream struct {
	nowhere

	handled, touched atomic.Bool
}

func (s *stream) SetReadDeadline(time.Time) error {
	s.touched.Store(s.handled.Load())
	return nil
}

func (s *stream) SetWriteDeadline(at time.Time) error { return s.SetReadDeadline(at) }

// The server of HTTP/2 would end the process with a nil pointer.
func TestAnUploadThatEndsAfterTheAnswerDoesNotTouchTheStream(t *testing.T) {
	upstream := early{lingering{make(chan struct{}), make(chan struct{})}, make(chan struct{})}
	g := gatewayAlone(t, settings.Route{Guard: "g"}, guard.Config{}, &upstream)
	w := &stream{nowhere: nowhere{header: http.Header{}}}
	g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", upstream.body))
	w.handled.Store(true)
	close(upstream.body.end)
	<-upstream.done
	if w.touched.Load() {
		t.Error("a deadline was set")
	}
}

// hinting sends an early hint before it answers.
type hinting struct{}

func (hinting) RoundTrip(req *http.Request) (*http.Response, error) {
	hint := textproto.MIMEHeader{"Link": {"</style.css>"}}
	if err := httptrace.ContextClientTrace(req.Context()).Got1xxResponse(http.StatusEarlyHints, hint); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}, Request: req}, nil
}

// hinted notes the header of the hint, as it was when it was sent.
type hinted struct {
	stream

	hint http.Header
}

func (h *hinted) WriteHeader(status int) {
	if status == http.StatusEarlyHints {
		h.hint = h.header.Clone()
	}
}

// The server of HTTP/2 copies the header of a hint if it has a length. What it does
// not copy it may read after WriteHeader has returned, when the stream was reset.
func TestAnEarlyHintOverHTTP2IsCopiedByTheServer(t *testing.T) {
	g := gatewayAlone(t, settings.Route{Guard: "g"}, guard.Config{}, hinting{})
	w := &hinted{stream: stream{nowhere: nowhere{header: http.Header{}}}}
	req := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	req.ProtoMajor, req.ProtoMinor = 2, 0
	g.ServeHTTP(w, req)
	if _, copied := w.hint["Content-Length"]; !copied || w.hint.Get("Link") == "" {
		t.Errorf("the hint was %v", w.hint)
	}
	if _, left := w.header["Content-Length"]; left {
		t.Errorf("the answer has %v", w.header)
	}
}

func TestTheAnswerHasOneRequestID_WhateverTheUpstreamSends(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "of the upstream")
		if strings.HasSuffix(r.URL.Path, "/hints") {
			w.WriteHeader(http.StatusEarlyHints) // the proxy clears the header after it
		}
		if r.Header.Get("Upgrade") != "" {
			upgradeEcho(w, r)
		}
	}), nil)
	for path, protocol := range map[string]string{"/": "", "/hints": "", "/upgrade": "echo", "/upgrade/hints": "echo"} {
		req := r.request(http.MethodGet, path, http.NoBody)
		req.Header.Set("X-Request-Id", "mine")
		if protocol != "" {
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", protocol)
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Values("X-Request-Id"); len(got) != 1 || got[0] != "mine" {
			t.Errorf("%s: %q", path, got)
		}
		_ = resp.Body.Close()
	}
}

// Behind a connection that went on in HTTP/2 no request would pass the guard.
func TestAnUpgradeToHTTP2IsNotPassedOn(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header["Upgrade"], r.Header["Http2-Settings"], r.Header["Connection"])
	}), nil)
	for _, protocol := range []string{"h2c", "H2C", "websocket, h2c"} {
		req := r.request(http.MethodGet, "/", nil)
		req.Header.Set("Connection", "Upgrade, HTTP2-Settings")
		req.Header.Set("Upgrade", protocol)
		req.Header.Set("Http2-Settings", "AAMAAABk")
		if got := r.do(req).body; got != "[] [] []" {
			t.Errorf("%s: the upstream saw %s", protocol, got)
		}
	}
}

func TestAnUnclearPathWithoutARouteIsNotFound(t *testing.T) {
	r := newRig(t, http.NotFoundHandler(), func(s *setup) { s.route.Match = "/api/" })
	if got := r.get("//nowhere"); got.StatusCode != http.StatusNotFound || got.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// An upstream that decodes such a path first and cleans it then would serve what
// no route leads to.
func TestADotSegmentThatHidesInItsEncodingReachesNoUpstream(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.Match = "/api/" })
	for _, target := range []string{"/api/%2e%2e/admin", "/api/.%2E/admin", "/api/%2e/x", "/api/..%2fadmin", "/api%2f..%2fadmin", "/api/x/..%5cadmin"} {
		conn, answers := r.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if code := r.status(answers); code != http.StatusBadRequest {
			t.Errorf("%s: answered %d", target, code)
		}
		_ = conn.Close()
	}
	for _, path := range []string{"/api/a%2Eb", "/api/..a%2Fb", "/api/...%2F"} {
		if _, m := r.mirrored(r.request(http.MethodGet, path, nil)); m.URI != path {
			t.Errorf("%s went on as %s", path, m.URI)
		}
	}
}

// The mux neither cleans the path of a CONNECT nor knows what one is.
func TestConnectReachesNoUpstream(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), nil)
	for _, target := range []string{"internal:443", "/../admin", "/"} {
		conn, answers := r.raw("CONNECT " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if code := r.status(answers); code != http.StatusNotImplemented {
			t.Errorf("%s: answered %d", target, code)
		}
		_ = conn.Close()
	}
}

func TestAnUpgradeIsLoggedAsWhatItIs(t *testing.T) {
	var log lines
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = rw.Flush()
		_ = conn.Close()
	}), func(s *setup) {
		s.log, s.gateway.AccessLog.Mode = &log, settings.AccessLogAll
	})
	conn, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if code := r.status(answers); code != http.StatusSwitchingProtocols {
		t.Fatalf("answered %d", code)
	}
	_ = conn.Close()
	r.outcomes(1)
	for tick := time.NewTicker(time.Millisecond); log.String() == ""; <-tick.C { // the line comes once the handler has returned
		if t.Context().Err() != nil {
			t.Fatal("nothing was logged")
		}
	}
	var line struct{ Status int }
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil || line.Status != http.StatusSwitchingProtocols {
		t.Errorf("logged %q: %v", log.String(), err)
	}
}
