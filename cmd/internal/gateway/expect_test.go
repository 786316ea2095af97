package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
)

const expecting = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"

// overBoth runs a test with an upstream over HTTP/1 and one over HTTP/2.
func overBoth(t *testing.T, h http.HandlerFunc, change func(*setup), test func(t *testing.T, r *rig)) {
	t.Helper()
	for name, h2 := range map[string]bool{"to HTTP/1": false, "to HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			test(t, h2cRig(t, h, func(s *setup) {
				s.route.H2C = h2
				if change != nil {
					change(s)
				}
			}))
		})
	}
}

func TestAClientContinuesWhenItsUpstreamSaysSo(t *testing.T) {
	var decided atomic.Bool
	overBoth(t, func(w http.ResponseWriter, r *http.Request) {
		<-time.NewTimer(100 * time.Millisecond).C // to decide
		decided.Store(true)
		body, _ := io.ReadAll(r.Body) // says 100
		_, _ = w.Write(body)
	}, nil, func(t *testing.T, r *rig) {
		decided.Store(false)
		conn, answers := r.raw(expecting)
		if code := nextStatus(t, answers); code != http.StatusContinue || !decided.Load() {
			t.Fatalf("answered %d, decided %v", code, decided.Load())
		}
		_, _ = io.WriteString(conn, "body")
		resp, err := http.ReadResponse(answers, nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v %v", resp, err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != "body" {
			t.Errorf("answered %q", body)
		}
		r.nobodyBlamed(1, false)
	})
}

// nextStatus reads one status line and its fields, of a 1xx as well.
func nextStatus(t *testing.T, answers *bufio.Reader) int {
	t.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= http.StatusOK {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	return resp.StatusCode
}

func TestAClientWhoseUpstreamRefusesItsBodyIsNotAskedForIt(t *testing.T) {
	overBoth(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, nil, func(t *testing.T, r *rig) {
		for range 20 { // the transport has a choice
			_, answers := r.raw(expecting)
			if code := nextStatus(t, answers); code != http.StatusUnauthorized {
				t.Fatalf("answered %d", code)
			}
		}
		r.nobodyBlamed(20, false)
	})
}

// On a connection that is to be used again the transport sends the body in any case.
func TestARequestThatAsksFirstHasAConnectionOfItsOwn(t *testing.T) {
	for expect, own := range map[string]bool{"100-continue": true, "": false} {
		alone := make(chan bool, 1)
		r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { alone <- r.Close }), nil)
		req := r.request(http.MethodPost, "/", strings.NewReader("body"))
		if expect != "" {
			req.Header.Set("Expect", expect)
		}
		r.do(req)
		if got := <-alone; got != own {
			t.Errorf("%q: a connection of its own %v", expect, got)
		}
	}
}

// The server of HTTP/2 keeps the field to itself and says 100 when the body is read.
func TestAClientOverHTTP2ContinuesOnce(t *testing.T) {
	overBoth(t, mirror, nil, func(t *testing.T, r *rig) {
		r.client = r.http2()
		var said atomic.Int64
		trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			said.Add(int64(code))
			return nil
		}}
		req := r.request(http.MethodPost, "/", strings.NewReader("body"))
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
		req.Header.Set("Expect", "100-continue")
		if a, m := r.mirrored(req); a.StatusCode != http.StatusOK || m.Body != "body" {
			t.Errorf("answered %d, %+v", a.StatusCode, m)
		}
		if said.Load() != http.StatusContinue {
			t.Errorf("before it came %d", said.Load())
		}
	})
}

// An upstream that knows nothing of it waits for the body.
func TestAnUpstreamThatDoesNotSay100GetsTheBody(t *testing.T) {
	up := rawUpstream(t, func(in *bufio.Reader, out io.Writer) {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		_, _ = io.WriteString(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"+string(body))
	})
	r := newRigTo(t, up, nil)
	conn, answers := r.raw(expecting)
	if code := nextStatus(t, answers); code != http.StatusContinue {
		t.Fatalf("answered %d", code)
	}
	_, _ = io.WriteString(conn, "body")
	if code := nextStatus(t, answers); code != http.StatusOK {
		t.Errorf("answered %d", code)
	}
}

// A client chooses to ask first: what that costs is not the upstream's doing.
func TestATimeoutBeforeTheBodyWasAskedForIsNeutral(t *testing.T) {
	over := make(chan struct{}) // a server does not see its client leave before it has read the body
	overBoth(t, func(http.ResponseWriter, *http.Request) { <-over }, func(s *setup) {
		s.guard = guard.Config{Timeout: 100 * time.Millisecond}
	}, func(t *testing.T, r *rig) {
		defer func() { over <- struct{}{} }()
		_, answers := r.raw(expecting)
		if code := nextStatus(t, answers); code != http.StatusGatewayTimeout {
			t.Errorf("answered %d", code)
		}
		r.nobodyBlamed(1, true)
	})
}

// Also those that nobody has announced, and of an answer without a body.
func TestTrailersOfAnUpstreamOverHTTP2ReachAClientOverHTTP1(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"announced": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			_, _ = io.WriteString(w, "body")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Sum", "42")
		},
		"not announced": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "body")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
		},
		"without a body": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			_ = http.NewResponseController(w).Flush()
			w.Header().Set("X-Sum", "42")
		},
		"announced beside a length": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "X-Sum")
			w.Header().Set("Content-Length", "4")
			_, _ = io.WriteString(w, "body")
			w.Header().Set("X-Sum", "42")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := h2cRig(t, h, func(*setup) {})
			a := r.get("/")
			if got := a.Trailer.Get("X-Sum"); got != "42" || len(a.TransferEncoding) != 1 {
				t.Errorf("the trailer is %q, in %v", got, a.TransferEncoding)
			}
			r.client = r.http2()
			if got := r.get("/").Trailer.Get("X-Sum"); got != "42" {
				t.Errorf("over HTTP/2 the trailer is %q", got)
			}
			head := r.do(r.request(http.MethodHead, "/", nil))
			if head.StatusCode != http.StatusOK {
				t.Errorf("HEAD is answered %d", head.StatusCode)
			}
		})
	}
}

// rawUpstream serves one connection after the other by hand, and returns its URL.
func rawUpstream(t *testing.T, serve func(in *bufio.Reader, out io.Writer)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serve(bufio.NewReader(conn), conn)
			_ = conn.Close()
		}
	}()
	return "http://" + ln.Addr().String()
}
