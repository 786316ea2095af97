package protect_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

// roundTrip is a RoundTripper made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// status answers every request with a status and a small body.
func status(code int) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader("body")), Request: r}, nil
	}
}

func outgoing(ctx context.Context, body io.Reader) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://upstream.test/", body)
	if err != nil {
		panic(err)
	}
	return r
}

// isFree reports whether nothing is in flight in a guard of concurrency 1. Places
// are given out before the breaker is asked, so a refusal by an open breaker says
// that there is one.
func isFree(g *guard.Guard) bool {
	tok, err := g.Enter(context.Background(), guard.Call{})
	if err != nil {
		return !errors.Is(err, fault.ConcurrencyLimited)
	}
	tok.Settle(outcome.Ignored, nil)
	tok.Close()
	return true
}

func TestTransport_OutcomeIsTheStatus(t *testing.T) {
	for code, opens := range map[int]bool{200: false, 404: false, 429: false, 500: true, 503: true} {
		b := newBreaker(t, 1)
		rt := protect.Transport(status(code), newGuard(t, guard.Config{Breaker: b}))
		resp, err := rt.RoundTrip(outgoing(t.Context(), nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := b.State() == breaker.StateOpen; got != opens {
			t.Errorf("%d: open %v before the body is closed, want %v", code, got, opens)
		}
		resp.Body.Close()
	}
}

// The words are net/http's. A test of the gateway binds them to a real server that leaves.
func TestTransport_AServerThatLeavesInGoodOrderIsNotBlamed(t *testing.T) {
	b := newBreaker(t, 1)
	left := errors.New("http2: Transport: cannot retry err [http2: Transport received Server's graceful shutdown GOAWAY] after Request.Body was written; define Request.GetBody to avoid this error")
	rt := protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) { return nil, left }), newGuard(t, guard.Config{Breaker: b}))
	if _, err := rt.RoundTrip(outgoing(t.Context(), strings.NewReader("x"))); !errors.Is(err, left) {
		t.Errorf("the caller got %v", err)
	}
	if got := b.Status().Totals; got.Ignored != 1 || got.Failures != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestTransport_ErrorsAreFailuresUnlessTheCallerLeft(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	rt := protect.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		if err := context.Cause(r.Context()); err != nil {
			return nil, err
		}
		return nil, errDown
	}), g)
	for range 3 { // PEERS 6
		ctx, cancel := context.WithCancel(t.Context())
		req := outgoing(ctx, readerFunc(func([]byte) (int, error) { return 0, io.EOF }))
		leaving := protect.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
			cancel()
			return nil, context.Cause(r.Context())
		}), g)
		if resp, err := leaving.RoundTrip(req); !errors.Is(err, context.Canceled) {
			t.Fatalf("%v, %v", resp, err)
		}
	}
	if b.State() != breaker.StateClosed || !isFree(g) {
		t.Fatalf("callers that left: breaker %v", b.State())
	}
	if _, err := rt.RoundTrip(outgoing(t.Context(), nil)); !errors.Is(err, errDown) {
		t.Fatalf("the transport's error became %v", err)
	}
	if b.State() != breaker.StateOpen {
		t.Error("a refused connection did not count")
	}
}

func TestTransport_WhatThisMachineLacksIsNotTheDependencysFault(t *testing.T) {
	b := newBreaker(t, 1)
	rt := protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	}), newGuard(t, guard.Config{Breaker: b}))
	if _, err := rt.RoundTrip(outgoing(t.Context(), nil)); !errors.Is(err, syscall.EMFILE) || guard.IsNeutral(err) {
		t.Errorf("the transport's error became %v", err)
	}
	if c := b.Status().Totals; c.Ignored != 1 || b.State() != breaker.StateClosed {
		t.Errorf("counted %+v, the breaker is %v", c, b.State())
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTransport_RefusalClosesTheBodyAndIsFound(t *testing.T) {
	b := newBreaker(t, 1)
	client := &http.Client{Transport: protect.Transport(status(500), newGuard(t, guard.Config{Breaker: b}))}
	resp, err := client.Do(outgoing(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	body := &closeCounter{Reader: strings.NewReader("x")}
	resp, err = client.Do(outgoing(t.Context(), body))
	if err == nil {
		resp.Body.Close()
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.CircuitOpen || !errors.Is(err, fault.CircuitOpen) || f.RetryAfter() <= 0 {
		t.Errorf("refused with %v", err)
	}
	if body.closed.Load() == 0 {
		t.Error("the body of a refused request was not closed")
	}
}

type closeCounter struct {
	io.Reader
	closed atomic.Int32
}

func (c *closeCounter) Close() error { c.closed.Add(1); return nil }

func TestTransport_PlaceIsHeldUntilTheBodyEnds(t *testing.T) {
	for name, end := range map[string]func(io.ReadCloser){
		"closed":           func(b io.ReadCloser) { b.Close() },
		"closed twice":     func(b io.ReadCloser) { b.Close(); b.Close() },
		"read to its end":  func(b io.ReadCloser) { _, _ = io.Copy(io.Discard, b) },
		"read, then close": func(b io.ReadCloser) { _, _ = io.ReadAll(b); b.Close() },
	} {
		g := newGuard(t, guard.Config{Concurrency: 1, Timeout: time.Minute})
		resp, err := protect.Transport(status(200), g).RoundTrip(outgoing(t.Context(), nil))
		if err != nil {
			t.Fatal(err)
		}
		if isFree(g) {
			t.Errorf("%s: the place was free before the body ended", name)
		}
		end(resp.Body)
		if !isFree(g) {
			t.Errorf("%s: the place is still taken", name)
		}
	}
}

func TestTransport_NoBodyEndsAtTheHeader(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		g := newGuard(t, guard.Config{Concurrency: 1})
		resp, err := protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusNoContent, Body: body}, nil
		}), g).RoundTrip(outgoing(t.Context(), nil))
		if err != nil || resp.Body != body || !isFree(g) {
			t.Errorf("body %v: %v", body, err)
		}
	}
}

func TestTransport_BodyThatBreaksOffIsAFailure(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	url, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	client.Transport = protect.Transport(client.Transport, g)
	defer client.CloseIdleConnections()
	resp := open(t, client, url)
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("read: %v", err)
	}
	if b.State() != breaker.StateOpen {
		t.Error("a body that broke off did not count")
	}
}

func TestTransport_NeverChangesTheRequest(t *testing.T) {
	g := newGuard(t, guard.Config{Timeout: time.Minute})
	req := outgoing(t.Context(), nil)
	req.Header.Set("X-A", "1")
	before := req.Clone(req.Context())
	var sent *http.Request
	resp, err := protect.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = r
		return status(200)(r)
	}), g).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if sent == req || req.Context() != before.Context() || req.Header.Get("X-A") != "1" || len(req.Header) != 1 || resp.Request != req {
		t.Error("the caller's request was changed, or is not the response's")
	}
}

func TestTransport_PanicAndGoexitGiveThePlaceBack(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	func() {
		defer func() { _ = recover() }()
		_, _ = protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) { panic("bug") }), g).RoundTrip(outgoing(t.Context(), nil))
	}()
	if b.State() != breaker.StateOpen {
		t.Error("a panic did not count")
	}
	if !isFree(g) {
		t.Error("a panic kept the place")
	}
}

func TestTransport_TimeoutBoundsTheHeaderOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		base, client, _ := virtual(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/header" {
				<-r.Context().Done()
				return
			}
			_ = http.NewResponseController(w).Flush()
			<-time.After(time.Hour)
			_, _ = io.WriteString(w, "late body")
		}))
		client.Transport = protect.Transport(client.Transport, newGuard(t, guard.Config{Breaker: b, Timeout: limit}))
		if status, body, _ := get(t, client, base+"/body"); status != 200 || body != "late body" || b.State() != breaker.StateClosed {
			t.Errorf("slow body: %d %q, breaker %v", status, body, b.State())
		}
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/header", nil)
		began := time.Now()
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, fault.CallTimeout) || !errors.Is(err, context.DeadlineExceeded) || b.State() != breaker.StateOpen {
			t.Errorf("slow header: %v, breaker %v", err, b.State())
		}
		if wrapped, ok := errors.AsType[*url.Error](err); !ok || !wrapped.Timeout() {
			t.Errorf("%v is no timeout for those who ask net/url", err)
		}
		if took := time.Since(began); took != limit {
			t.Errorf("slow header: failed after %v", took)
		}
	})
}

func TestTransport_StalledBodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
		url, client, _ := virtual(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "some")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		client.Transport = protect.Transport(client.Transport, g, protect.BodyIdleTimeout(limit))
		resp := open(t, client, url)
		defer resp.Body.Close()
		buf := make([]byte, 4)
		if _, err := io.ReadFull(resp.Body, buf); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour) // a consumer that pauses is not a body that stalls
		began := time.Now()
		_, err := resp.Body.Read(buf)
		if took := time.Since(began); !errors.Is(err, fault.CallTimeout) || took != limit {
			t.Errorf("stalled: %v after %v", err, took)
		}
		if b.State() != breaker.StateOpen || !isFree(g) {
			t.Error("a stalled body did not count, or keeps its place")
		}
	})
}

func TestTransport_Upgrade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Config{Concurrency: 1, Timeout: limit})
		url, client, _ := virtual(t, echoProtocol(t))
		client.Transport = protect.Transport(client.Transport, g)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		conn, ok := resp.Body.(io.ReadWriteCloser)
		if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%d with a %T", resp.StatusCode, resp.Body)
		}
		<-time.After(time.Hour)
		if _, err := io.WriteString(conn, "hello"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 5)
		if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "hello" {
			t.Errorf("%q, %v", buf, err)
		}
		if isFree(g) {
			t.Error("the upgraded connection lost its place")
		}
		conn.Close()
		if !isFree(g) {
			t.Error("the closed connection kept its place")
		}
	})
}

// halfway is a switched protocol that can end in one direction.
type halfway struct {
	io.ReadWriteCloser

	ended bool
}

func (h *halfway) CloseWrite() error {
	h.ended = true
	return nil
}

func TestTransport_AnUpgradeEndsInOneDirectionIfItCan(t *testing.T) {
	near, _ := net.Pipe()
	can := &halfway{ReadWriteCloser: near}
	for name, c := range map[string]struct {
		body io.ReadWriteCloser
		err  error
	}{"it can": {can, nil}, "it cannot": {near, errors.ErrUnsupported}} {
		rt := protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: c.body}, nil
		}), newGuard(t, guard.Config{}))
		resp, err := rt.RoundTrip(outgoing(t.Context(), nil))
		if err != nil {
			t.Fatal(err)
		}
		if half, ok := resp.Body.(interface{ CloseWrite() error }); !ok || !errors.Is(half.CloseWrite(), c.err) {
			t.Errorf("%s: a %T does not do it, or not well", name, resp.Body)
		}
		_ = resp.Body.Close()
	}
	if !can.ended {
		t.Error("it was not told")
	}
}

func TestTransport_BodiesThatCopyThemselves(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	rt := protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: bufferBody{bytes.NewReader([]byte("all of it"))}}, nil
	}), g)
	resp, err := rt.RoundTrip(outgoing(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, ok := resp.Body.(io.WriterTo); !ok {
		t.Fatalf("a %T does not copy itself", resp.Body)
	}
	if n, err := io.Copy(&out, resp.Body); n != 9 || err != nil || out.String() != "all of it" || !isFree(g) {
		t.Errorf("%d, %v, %q", n, err, &out)
	}
	resp, err = rt.RoundTrip(outgoing(t.Context(), nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(brokenWriter{}, resp.Body)
	resp.Body.Close()
	if !errors.Is(err, errDown) || b.Status().State != breaker.StateClosed {
		t.Errorf("%v: a consumer that failed was held against the server", err)
	}
}

type bufferBody struct{ *bytes.Reader }

func (bufferBody) Close() error { return nil }

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errDown }

func TestTransport_ConnectionsAreUsedAgain(t *testing.T) {
	var conns atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 100_000))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: protect.Transport(base, newGuard(t, guard.Config{Timeout: time.Minute}), protect.BodyIdleTimeout(time.Minute))}
	for range 200 {
		get(t, client, s.URL)
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("200 requests, one after the other, took %d connections", n)
	}
}

func TestTransport_ContextsEndAfterTheBodyAndNotBefore(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		opts    []protect.Option
	}{
		"timeout":      {time.Minute, nil},
		"idle timeout": {0, []protect.Option{protect.BodyIdleTimeout(time.Minute)}},
	} {
		var sent *http.Request
		body := &closingBody{}
		rt := protect.Transport(roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = r
			body.atClose = func() {
				if sent.Context().Err() != nil {
					t.Errorf("%s: the context ended before the body was closed", name)
				}
			}
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		}), newGuard(t, guard.Config{Timeout: c.timeout}), c.opts...)
		resp, err := rt.RoundTrip(outgoing(t.Context(), nil))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if sent.Context().Err() == nil || body.closed != 1 {
			t.Errorf("%s: the context goes on after the body, closed %d times", name, body.closed)
		}
	}
}

// closingBody calls back when it is closed.
type closingBody struct {
	fastBody
	atClose func()
	closed  int
}

func (b *closingBody) Close() error { b.closed++; b.atClose(); return nil }

func TestTransport_CallerThatLeavesWhileReadingIsNeutral(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
	url, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	client.Transport = protect.Transport(client.Transport, g)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	if _, err := io.ReadAll(resp.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if b.State() != breaker.StateClosed || !isFree(g) {
		t.Errorf("breaker %v, place free %v", b.State(), isFree(g))
	}
}
