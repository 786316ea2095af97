package protect_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
)

// limit is the guards' timeout where time is virtual.
const limit = 3 * time.Second

func TestHandler_EventsArriveWhenTheyAreSent(t *testing.T) {
	next := make(chan struct{})
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			if f, ok := w.(http.Flusher); ok && i%2 == 0 {
				f.Flush()
			} else if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("flush: %v", err)
			}
			select {
			case <-next: // the client has seen this event before the next is made
			case <-r.Context().Done():
				return
			}
		}
	}), newGuard(t, guard.Config{Timeout: time.Second})))
	resp := open(t, client, url)
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for i := range 3 {
		for more := true; more; {
			more = lines.Scan() && lines.Text() == ""
		}
		if want := fmt.Sprintf("data: %d", i); lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
		next <- struct{}{}
	}
}

func open(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// echoProtocol is an upgrade as WebSocket does it: hijack, answer 101, talk.
func echoProtocol(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(conn, rw)
	})
}

func upgrade(t *testing.T, conn net.Conn) *bufio.Reader {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v, %v", resp, err)
	}
	return r
}

func say(t *testing.T, conn net.Conn, r *bufio.Reader, line string) {
	t.Helper()
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := r.ReadString('\n'); err != nil || got != line+"\n" {
		t.Fatalf("echo of %q: %q, %v", line, got, err)
	}
}

func TestHandler_UpgradedConnectionsHaveNoTimeLimitAndKeepTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Timeout: limit, Concurrency: 1})
		base, client, dial := virtual(t, protect.Handler(echoProtocol(t), g))
		conn := dial()
		defer conn.Close()
		r := upgrade(t, conn)
		say(t, conn, r, "before the guard's timeout")
		if status, _, _ := get(t, client, base); status != 503 {
			t.Errorf("the upgraded connection lost its place: %d", status)
		}
		<-time.After(time.Hour)
		say(t, conn, r, "long after it")
		if isFree(g) {
			t.Error("the place of an open connection was given away")
		}
		conn.Close()
		synctest.Wait()
		if !isFree(g) || b.State() != breaker.StateClosed {
			t.Errorf("place free %v, breaker %v", isFree(g), b.State())
		}
	})
}

func TestHandler_AnUpgradeIsASuccessAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 1)
		_, _, dial := virtual(t, protect.Handler(echoProtocol(t), newGuard(t, guard.Config{Breaker: b})))
		p := b.Allow()
		p.Failure(errDown)
		<-time.After(2 * time.Minute) // the cooldown: the upgrade is the probe
		conn := dial()
		defer conn.Close()
		r := upgrade(t, conn)
		say(t, conn, r, "while it is open")
		if b.State() != breaker.StateClosed {
			t.Errorf("the breaker waits for the end of the connection: %v", b.State())
		}
	})
}

func TestHandler_ProxyUpgradesOverTCP(t *testing.T) {
	upstream, _ := serve(t, echoProtocol(t))
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, ErrorLog: quiet}
	base, _ := serve(t, protect.Handler(proxy, newGuard(t, guard.Config{Timeout: time.Minute})))
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := upgrade(t, conn)
	say(t, conn, r, "through the proxy")
	say(t, conn, r, "and again")
}

func TestHandler_TrailersAndLargeBodies(t *testing.T) {
	b := newBreaker(t, 1)
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.Copy(w, io.LimitReader(zeros{}, n)) // by ReadFrom
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
	}), newGuard(t, guard.Config{Breaker: b, Timeout: time.Minute})))
	const size = 24 << 20
	body := bytes.Repeat([]byte("x"), size)
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != size {
		t.Errorf("%d bytes, %v", n, err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(body)); resp.Trailer.Get("X-Sum") != want {
		t.Errorf("trailer %q", resp.Trailer)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestHandler_ResponseControllerReachesTheConnection(t *testing.T) {
	url, client := serve(t, protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		for what, err := range map[string]error{
			"read deadline":  rc.SetReadDeadline(time.Now().Add(time.Minute)),
			"write deadline": rc.SetWriteDeadline(time.Now().Add(time.Minute)),
			"full duplex":    rc.EnableFullDuplex(),
		} {
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		_, _ = io.WriteString(w, "text by string")
	}), newGuard(t, guard.Config{})))
	if _, body, _ := get(t, client, url); body != "text by string" {
		t.Errorf("%q", body)
	}
}

func TestHandler_WriterWithoutHijackSaysSo(t *testing.T) {
	h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, _, err := w.(http.Hijacker).Hijack(); !errors.Is(err, http.ErrNotSupported) {
			t.Errorf("hijack: %v", err)
		}
		w.(http.Flusher).Flush()
		w.WriteHeader(http.StatusAccepted)
	}), newGuard(t, guard.Config{}))
	w := &plainWriter{header: http.Header{}}
	req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	h.ServeHTTP(w, req)
	if w.status != 0 && w.status != http.StatusAccepted {
		t.Errorf("status %d", w.status)
	}
}

// plainWriter has none of the optional methods.
type plainWriter struct {
	header http.Header
	status int
}

func (w *plainWriter) Header() http.Header         { return w.header }
func (w *plainWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *plainWriter) WriteHeader(status int)      { w.status = status }
