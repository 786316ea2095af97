package gateway_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// opened is a streaming answer that a test has asked for.
type opened struct {
	*http.Response

	tail string // what came after the header
	err  error
}

// manner is a way to ask for a stream: over which protocol, for what kind of one.
type manner struct {
	name, kind string
	http2      bool
	talks      bool // the request stays open as well
}

var manners = []manner{
	{"HTTP/1", "text/event-stream", false, false},
	{"HTTP/1 with parameters", "Text/Event-Stream; charset=utf-8", false, false},
	{"HTTP/2", "text/event-stream", true, false},
	{"gRPC", "application/grpc+proto", true, false},
	{"gRPC in both directions", "application/grpc", true, true},
}

// sixStreams opens six streams, calls then, and reads them to their end.
func sixStreams(r *rig, m manner, then func()) []opened {
	r.Helper()
	client := r.client
	if m.http2 {
		client = r.http2()
	}
	streams := make([]opened, 6)
	for i := range streams {
		var body io.Reader
		if m.talks {
			pipe, talk := io.Pipe()
			r.Cleanup(func() { _ = talk.Close() })
			body = pipe
		}
		req := r.request(http.MethodPost, "/", body)
		req.Header.Set("Content-Type", m.kind)
		resp, err := client.Do(req)
		if err != nil {
			r.Fatal(err)
		}
		streams[i].Response = resp
	}
	if then != nil {
		then()
	}
	var reads sync.WaitGroup
	for i := range streams {
		reads.Go(func() {
			s := &streams[i]
			tail, err := io.ReadAll(s.Body)
			s.tail, s.err = string(tail), err
			_ = s.Body.Close()
		})
	}
	reads.Wait()
	return streams
}

// h2cRig has an upstream over HTTP/2, as gRPC needs it.
func h2cRig(t *testing.T, upstream http.Handler, change func(*setup)) *rig {
	t.Helper()
	up := httptest.NewUnstartedServer(upstream)
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetHTTP1(true)
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	t.Cleanup(up.Close)
	return newRigTo(t, up.URL, func(s *setup) {
		s.route.H2C = true
		change(s)
	})
}

// nobodyBlamed fails unless all n calls were ignored, or all succeeded.
func (r *rig) nobodyBlamed(n uint64, ignored bool) {
	r.Helper()
	want := breaker.Counts{Successes: n}
	if ignored {
		want = breaker.Counts{Ignored: n}
	}
	if c := r.outcomes(n); c != want {
		r.Errorf("counted %+v, want %+v", c, want)
	}
}

// A server that has nothing to tell is quiet. It may be so for as long as nothing
// happens.
func TestAQuietStreamGoesOn(t *testing.T) {
	const idle = 50 * time.Millisecond
	for _, m := range manners {
		t.Run(m.name, func(t *testing.T) {
			more := make(chan struct{})
			r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", m.kind)
				_ = http.NewResponseController(w).Flush()
				select {
				case <-more:
					_, _ = io.WriteString(w, "news")
				case <-r.Context().Done():
				}
			}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = idle })
			for _, s := range sixStreams(r, m, func() {
				<-time.NewTimer(6 * idle).C
				close(more)
			}) {
				if s.tail != "news" || s.err != nil {
					t.Errorf("%q, %v", s.tail, s.err)
				}
			}
			r.nobodyBlamed(6, false)
		})
	}
}

// Servers of gRPC send the header with the first message, if they may.
func TestAGRPCStreamMayBeQuietBeforeItsAnswerBegins(t *testing.T) {
	const idle = 50 * time.Millisecond
	m := manner{kind: "application/grpc", http2: true, talks: true}
	r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		<-time.NewTimer(6 * idle).C
		w.Header().Set("Content-Type", m.kind)
		_, _ = io.WriteString(w, "news")
	}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = idle })
	for _, s := range sixStreams(r, m, nil) {
		if s.tail != "news" || s.err != nil {
			t.Errorf("%q, %v", s.tail, s.err)
		}
	}
	r.nobodyBlamed(6, false)
}

// Nobody can tell a quiet server from one that hangs.
func TestAStreamThatItsRouteEndsForItsQuietIsNeutral(t *testing.T) {
	for _, m := range manners {
		t.Run(m.name, func(t *testing.T) {
			r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", m.kind)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}), func(s *setup) { s.route.IdleTimeout = 500 * time.Millisecond })
			for _, s := range sixStreams(r, m, nil) {
				if s.err == nil {
					t.Error("the stream ended as if it were whole")
				}
			}
			r.nobodyBlamed(6, true)
			if routes := r.gateway.Routes(); len(routes) != 1 || routes[0].Match != "/" || routes[0].Unfinished != 6 {
				t.Errorf("the routes count %+v", routes)
			}
		})
	}
}

// What an answer without a length owes, nobody knows; one with a length owes that.
func TestAnAnswerThatEndsBeforeItsEnd(t *testing.T) {
	for _, c := range []struct {
		name, length string
		hangs        bool
		want         breaker.Counts
		unfinished   uint64
	}{
		{"hangs, no length", "", true, breaker.Counts{Ignored: 1}, 1},
		{"broken off, no length", "", false, breaker.Counts{Ignored: 1}, 1},
		{"hangs, with a length", "100", true, breaker.Counts{Failures: 1}, 0},
		{"broken off, with a length", "100", false, breaker.Counts{Failures: 1}, 0},
	} {
		for _, h2 := range []bool{false, true} {
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.length != "" {
					w.Header().Set("Content-Length", c.length)
				}
				_, _ = io.WriteString(w, "some of it")
				_ = http.NewResponseController(w).Flush()
				if c.hangs {
					<-r.Context().Done()
				}
				panic(http.ErrAbortHandler)
			}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = 100 * time.Millisecond })
			client := r.client
			if h2 {
				client = r.http2()
			}
			if resp, err := client.Do(r.request(http.MethodGet, "/", nil)); err == nil { // else nothing had come when it broke off
				if got, err := io.ReadAll(resp.Body); err == nil {
					t.Errorf("%s: %q ended as if it were whole", c.name, got)
				}
				_ = resp.Body.Close()
			}
			if got := r.outcomes(1); got != c.want {
				t.Errorf("%s, HTTP/2 %v: counted %+v, want %+v", c.name, h2, got, c.want)
			}
			if got := r.gateway.Routes()[0].Unfinished; got != c.unfinished {
				t.Errorf("%s, HTTP/2 %v: %d counted by route", c.name, h2, got)
			}
		}
	}
}

func TestWhatARouteCountsStaysOverAReload(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}), nil)
	if resp, err := r.client.Do(r.request(http.MethodGet, "/", nil)); err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	r.outcomes(1)
	table, err := r.gateway.Prepare(t.Context(), settings.Gateway{Routes: []settings.Route{
		{Match: "/new/", Upstream: "http://127.0.0.1:1"}, {Match: "/", Upstream: "http://127.0.0.1:1"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.gateway.Use(table, nil); err != nil {
		t.Fatal(err)
	}
	if got := r.gateway.Routes(); got[0].Unfinished != 0 || got[1].Unfinished != 1 {
		t.Errorf("%+v", got)
	}
}

// A client that takes its leave is not a stream that broke off.
func TestAStreamThatItsClientLeavesIsCanceledAndNotCounted(t *testing.T) {
	for _, m := range manners {
		r := h2cRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", m.kind)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), func(*setup) {})
		client := r.client
		if m.http2 {
			client = r.http2()
		}
		ctx, leave := context.WithCancel(t.Context())
		resp, err := client.Do(r.request(http.MethodGet, "/", nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		leave()
		_ = resp.Body.Close()
		r.nobodyBlamed(1, true)
		if got := r.gateway.Routes()[0].Unfinished; got != 0 {
			t.Errorf("%s: %d counted by route", m.name, got)
		}
	}
}

// Whoever upgrades has a protocol of his own for signs of life.
func TestAnUpgradedConnectionIsEndedByTheIdleLimitOfItsRouteOnly(t *testing.T) {
	const idle = 100 * time.Millisecond
	for _, limited := range []bool{false, true} {
		r := newRig(t, http.HandlerFunc(upgradeEcho), func(s *setup) {
			s.gateway.Limits.BodyIdleTimeout = idle
			if limited {
				s.route.IdleTimeout = idle
			}
		})
		conn, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v %v", resp, err)
		}
		for range 4 { // it moves, and so goes on
			<-time.NewTimer(idle / 4).C
			if line := echoed(conn, answers); line != "hello\n" {
				t.Fatalf("limited %v: heard %q", limited, line)
			}
		}
		if limited {
			if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("the connection stood still and ended with %v", err)
			}
		} else if <-time.NewTimer(3 * idle).C; !strings.Contains(echoed(conn, answers), "hello") {
			t.Error("a connection without a limit was ended")
		}
		r.nobodyBlamed(1, false)
	}
}

func echoed(to io.Writer, from *bufio.Reader) string {
	_, _ = io.WriteString(to, "hello\n")
	line, _ := from.ReadString('\n')
	return line
}
