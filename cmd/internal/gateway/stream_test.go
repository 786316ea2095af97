package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
)

func TestServerSentEventsArriveAsTheyAreSent_AndTheTimeoutEndsAtTheHeader(t *testing.T) {
	const timeout = 200 * time.Millisecond
	more := make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-more:
			case <-r.Context().Done():
			}
		}
	}), func(s *setup) { s.guard.Timeout = timeout })
	resp, err := r.client.Do(r.request(http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	for i := range 2 {
		if !events.Scan() || events.Text() != fmt.Sprintf("data: %d", i) || !events.Scan() {
			t.Fatalf("event %d: %q %v", i, events.Text(), events.Err())
		}
		<-time.NewTimer(2 * timeout).C // the stream outlives the guard's timeout
		more <- struct{}{}
	}
	if events.Scan() || events.Err() != nil {
		t.Errorf("after the end: %q %v", events.Text(), events.Err())
	}
	if c := r.outcomes(1); c.Successes != 1 {
		t.Errorf("counted %+v", c)
	}
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestAClientThatLeavesIsNeutralAndLoggedAs499(t *testing.T) {
	reached := make(chan struct{})
	var log lines
	r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(reached)
		<-r.Context().Done()
	}), func(s *setup) {
		s.gateway.AccessLog.Mode = settings.AccessLogAll
		s.log = &log
		s.guard.Timeout = time.Minute
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-reached
		leave()
	}()
	resp, err := r.client.Do(r.request(http.MethodGet, "/", nil).WithContext(ctx))
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if c := r.outcomes(1); c.Ignored != 1 || c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
	r.server.Close() // waits for the handler, which logs last
	if s := r.guard.Status(); s.Results[guard.CallerLeft] != 1 {
		t.Errorf("results %v", s.Results)
	}
	if !strings.Contains(log.String(), `"status":499`) || !strings.Contains(log.String(), `"refused":"","cut_by":"","flags":["client_canceled"]`) {
		t.Errorf("the log says %s", log.String())
	}
}

func TestABodyThatStandsStillIsCutAndCounts(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), func(s *setup) { s.route.IdleTimeout = 100 * time.Millisecond })
	if resp, err := r.client.Do(r.request(http.MethodGet, "/", nil)); err == nil { // else what had come was in a buffer
		if body, err := io.ReadAll(resp.Body); err == nil {
			t.Errorf("read %q as if it were all", body)
		}
		_ = resp.Body.Close()
	}
	if c := r.outcomes(1); c.Failures != 1 {
		t.Errorf("counted %+v", c)
	}
}

func TestTrailersAndLargeBodiesGoThrough(t *testing.T) {
	const size = 16 << 20
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		hash := sha256.New()
		_, _ = io.Copy(io.MultiWriter(w, hash), r.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%x", hash.Sum(nil)))
	}), nil)
	body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	a := r.do(r.request(http.MethodPut, "/", bytes.NewReader(body)))
	if want := fmt.Sprintf("%x", sha256.Sum256(body)); a.body != string(body) || a.Trailer.Get("X-Sum") != want {
		t.Errorf("%d bytes came back, trailer %q, want %q", len(a.body), a.Trailer.Get("X-Sum"), want)
	}
}

func TestABodyThatIsTooLargeIsTheClientsFault(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.gateway.Limits.MaxBody = 1000 })
	if a := r.do(r.request(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1000)))); a.StatusCode != http.StatusOK {
		t.Errorf("the largest allowed: %d", a.StatusCode)
	}
	a := r.do(r.request(http.MethodPost, "/", io.MultiReader(strings.NewReader(strings.Repeat("x", 1001))))) // its length is not declared
	if p := a.problem(t); p.Status != http.StatusRequestEntityTooLarge || !a.Close {
		t.Errorf("%+v, the connection stays: %v", p, !a.Close)
	}
	if c := r.outcomes(2); c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
}

// What a request announces need not be tried: neither the guard nor the upstream
// hears of it, and the client need not send it.
func TestABodyThatIsDeclaredTooLargeReachesNeitherGuardNorUpstream(t *testing.T) {
	var calls atomic.Int64
	r := newRig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }), func(s *setup) {
		s.gateway.Limits.MaxBody = 1000
	})
	_, answers := r.raw("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
	if code := r.status(answers); code != http.StatusRequestEntityTooLarge {
		t.Errorf("HTTP/1: answered %d", code)
	}
	if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection stays open: %v", err)
	}
	resp, err := r.http2().Do(r.request(http.MethodPost, "/", bytes.NewReader(make([]byte, 1001))))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("HTTP/2: answered %d", resp.StatusCode)
	}
	var guarded uint64
	for _, n := range r.guard.Status().Results {
		guarded += n
	}
	if guarded != 0 || calls.Load() != 0 {
		t.Errorf("the guard has seen %d calls, the upstream %d", guarded, calls.Load())
	}
}

// The limit is met by the transport, which must not touch the answer meanwhile.
// For the race detector.
func TestABodyMayTurnOutTooLargeWhileTheAnswerComes(t *testing.T) {
	const most = 64 << 10
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := http.NewResponseController(w)
		_ = answer.EnableFullDuplex()
		_, _ = io.CopyN(io.Discard, r.Body, most/2)
		_ = answer.Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	}), func(s *setup) { s.gateway.Limits.MaxBody = most })
	for range 100 {
		resp, err := r.client.Do(r.request(http.MethodPost, "/", io.MultiReader(bytes.NewReader(make([]byte, 2*most)))))
		if err == nil {
			_ = resp.Body.Close()
		}
	}
}

// Else a client could open the breaker for all others, where the upstream answers
// before it has read everything.
func TestAnAnswerThatBreaksOffBecauseTheUploadDidIsNotTheUpstreamsFault(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := http.NewResponseController(w)
		_ = answer.EnableFullDuplex()
		_, _ = io.CopyN(io.Discard, r.Body, 1)
		_ = answer.Flush()
		if _, err := io.Copy(w, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	}), func(s *setup) { s.gateway.Limits.MaxBody = 1000 })
	body, more := io.Pipe()
	defer more.Close()
	answered := make(chan struct{})
	go func() {
		_, _ = more.Write(make([]byte, 1000))
		<-answered
		_, _ = more.Write(make([]byte, 1))
	}()
	resp, err := r.http2().Do(r.request(http.MethodPost, "/", body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	close(answered)
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("nothing broke off")
	}
	if c := r.outcomes(1); c.Ignored != 1 {
		t.Errorf("counted %+v", c)
	}
}

// upgradeEcho switches protocols and echoes lines, as a WebSocket server would.
func upgradeEcho(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "echo")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	}
}

func TestUpgradedConnectionsAreUnboundedAndCloseAtTheEndOfTheDrain(t *testing.T) {
	const timeout = 100 * time.Millisecond
	r := newRig(t, http.HandlerFunc(upgradeEcho), func(s *setup) { s.guard.Timeout = timeout })
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	defer resp.Body.Close()
	<-time.NewTimer(3 * timeout).C
	fmt.Fprintf(conn, "still here\n")
	if line, err := in.ReadString('\n'); err != nil || line != "still here\n" {
		t.Fatalf("%q %v", line, err)
	}
	if r.gateway.Upgraded() != 1 {
		t.Errorf("upgraded = %d", r.gateway.Upgraded())
	}
	if c := r.outcomes(1); c.Successes != 1 {
		t.Errorf("counted %+v", c)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = in.ReadByte()
	}()
	r.gateway.Close(canceled())
	r.within("the end of the upgraded connection", ended)
}

// The limits for clients that do not read end where HTTP does.
func TestAnUpgradedConnectionMayStandStill(t *testing.T) {
	const idle, size = 100 * time.Millisecond, 32 << 20 // more than all buffers hold
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "flood")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		if rw.Flush() == nil {
			_, _ = conn.Write(make([]byte, size))
		}
	}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = idle })
	_, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: flood\r\n\r\n")
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	<-time.NewTimer(5 * idle).C
	if n, err := io.Copy(io.Discard, answers); n != size || err != nil {
		t.Errorf("%d of %d bytes came, %v", n, size, err)
	}
}

// Protocols other than WebSocket say with it that they have said all.
func TestAnUpgradedConnectionThatIsHalfClosedGoesOnInTheOtherDirection(t *testing.T) {
	heard := make(chan string, 1)
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "listen")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		if tcp, ok := conn.(*net.TCPConn); rw.Flush() == nil && ok {
			_ = tcp.CloseWrite()
		}
		said, _ := io.ReadAll(rw)
		heard <- string(said)
	}), nil)
	conn, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: listen\r\n\r\n")
	if resp, err := http.ReadResponse(answers, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Fatalf("the upstream has said all, and we read %v", err)
	}
	for range 2 { // the second is lost on a connection that is closed
		if _, err := io.WriteString(conn, "word "); err != nil {
			t.Fatal(err)
		}
		<-time.NewTimer(50 * time.Millisecond).C
	}
	_ = conn.Close()
	if got := <-heard; got != "word word " {
		t.Errorf("the upstream heard %q", got)
	}
}

func TestUpstreamOverH2C(t *testing.T) {
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }))
	up.Config.Protocols = new(http.Protocols)
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	defer up.Close()
	r := newRigTo(t, up.URL, func(s *setup) { s.route.H2C = true })
	if a := r.get("/"); a.body != "HTTP/2.0" {
		t.Errorf("%d %q", a.StatusCode, a.body)
	}
}

func TestUpstreamOverTLS(t *testing.T) {
	up := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.TLS.ServerName) }))
	defer up.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: up.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		tls  *settings.UpstreamTLS
		want int
	}{
		{"the right authority and name", &settings.UpstreamTLS{CAFile: ca, ServerName: "example.com"}, 200},
		{"another name", &settings.UpstreamTLS{CAFile: ca, ServerName: "elsewhere.org"}, 502},
		{"an unknown authority", nil, 502},
	} {
		r := newRigTo(t, up.URL, func(s *setup) { s.route.TLS = c.tls })
		if a := r.get("/"); a.StatusCode != c.want || c.want == 200 && a.body != "example.com" {
			t.Errorf("%s: %d %q", c.name, a.StatusCode, a.body)
		}
	}
}

func TestPriorityHeaderCountsFromTrustedPeersOnlyAndIsTakenFromOthers(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
			s.route.Priority = "{header:X-Priority}"
			s.guard.Priority = guard.Bulk
			if trusted {
				s.gateway.TrustedProxies = []string{"127.0.0.0/8"}
			}
		})
		req := r.request(http.MethodGet, "/", nil)
		req.Header.Set("X-Priority", "critical")
		_, m := r.mirrored(req)
		if got := m.Header.Get("X-Priority"); (got == "critical") != trusted {
			t.Errorf("trusted %v: the upstream saw the priority %q", trusted, got)
		}
	}
}

func TestAccessLog(t *testing.T) {
	for mode, want := range map[string]int{settings.AccessLogOff: 0, settings.AccessLogSampled: 2, settings.AccessLogAll: 6} {
		t.Run(mode, func(t *testing.T) {
			var log lines
			r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/fail" {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}), func(s *setup) {
				s.gateway.AccessLog = settings.AccessLog{Mode: mode, Sample: 0.1}
				s.log = &log
			})
			for range 5 {
				r.get("/ok")
			}
			r.get("/fail")
			r.server.Close()
			if got := strings.Count(log.String(), `"msg":"request"`); got != want {
				t.Errorf("%d lines, want %d\n%s", got, want, log.String())
			}
			if want > 0 && !strings.Contains(log.String(), `"status":500`) {
				t.Error("the failure is not logged")
			}
		})
	}
}

func TestAClientThatStandsStillInTheMiddleOfABodyIsCutAndNeutral(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.IdleTimeout = 100 * time.Millisecond })
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nbegun")
	_, _ = io.Copy(io.Discard, conn) // until it is cut
	if c := r.outcomes(1); c.Ignored != 1 || c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
}

// TestConnectionsAreReusedAfterUploads: the deadline of the upload must not
// outlive it and cut the next request of the connection.
func TestConnectionsAreReusedAfterUploads(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.IdleTimeout = 200 * time.Millisecond })
	for range 3 {
		if _, m := r.mirrored(r.request(http.MethodPost, "/", strings.NewReader("body"))); m.Body != "body" {
			t.Fatalf("%+v", m)
		}
		<-time.NewTimer(300 * time.Millisecond).C // longer than the upload's deadline
	}
	if c := r.outcomes(3); c.Successes != 3 {
		t.Errorf("counted %+v", c)
	}
}

func TestTheDeadlineOfALargeAnswerDoesNotCutTheNext(t *testing.T) {
	const idle = 200 * time.Millisecond
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/large" {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = idle })
	for range 3 {
		if a := r.get("/large"); len(a.body) != 1<<20 {
			t.Fatalf("%d bytes", len(a.body))
		}
		<-time.NewTimer(2 * idle).C
		if a := r.do(r.request(http.MethodPost, "/small", nil)); a.StatusCode != http.StatusOK { // a GET would be tried again
			t.Fatalf("status %d", a.StatusCode)
		}
	}
}

// HTTP/2 resets a stream whose deadline passes, whether anything is written or not.
func TestAStreamOverHTTP2MayBeQuietForLongerThanAClientMay(t *testing.T) {
	const idle = 100 * time.Millisecond
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-End")
		for range 3 {
			_, _ = io.WriteString(w, "event\n")
			_ = http.NewResponseController(w).Flush()
			<-time.NewTimer(3 * idle).C
		}
		w.Header().Set("X-End", "yes")
	}), func(s *setup) {
		s.gateway.Limits.BodyIdleTimeout = idle
		s.route.IdleTimeout = time.Minute
	})
	r.client = r.http2()
	if a := r.get("/"); a.body != "event\nevent\nevent\n" || a.ProtoMajor != 2 || a.Trailer.Get("X-End") != "yes" {
		t.Errorf("%s %q %v", a.Proto, a.body, a.Trailer)
	}
}

func TestAStreamOverHTTP2ThatIsNotReadIsCutAndNeutral(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = 100 * time.Millisecond })
	_, frames := r.raw(http2Get)
	r.untilReset(frames)
	if c := r.outcomes(1); c.Ignored != 1 {
		t.Errorf("counted %+v", c)
	}
}

// What a client does not read of the very end holds no place in the guard any
// more, but a stream and its goroutine.
func TestTheEndOfAStreamOverHTTP2ThatIsNotReadIsCut(t *testing.T) {
	const window = 64<<10 - 1 // goes out without being read
	up := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(window+1))
		_, _ = w.Write(make([]byte, window))
		_ = http.NewResponseController(w).Flush()
		<-time.NewTimer(50 * time.Millisecond).C
		_, _ = w.Write(make([]byte, 1))
	}))
	up.Config.Protocols = new(http.Protocols) // over HTTP/2 the end comes after the last byte, not with it
	up.Config.Protocols.SetUnencryptedHTTP2(true)
	up.Start()
	defer up.Close()
	r := newRigTo(t, up.URL, func(s *setup) {
		s.route.H2C = true
		s.gateway.Limits.BodyIdleTimeout = 100 * time.Millisecond
	})
	_, frames := r.raw(http2Get)
	r.untilReset(frames)
}

// untilReset reads frames of HTTP/2 up to the one that ends a stream.
func (r *rig) untilReset(frames io.Reader) {
	r.Helper()
	const resetStream = 3
	for head := make([]byte, 9); head[3] != resetStream; {
		if _, err := io.ReadFull(frames, head); err != nil {
			r.Fatal("the stream was not reset: ", err)
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		_, _ = io.CopyN(io.Discard, frames, length)
	}
}

// Small answers fit into the buffers of the connection until those are full.
func TestAClientThatSendsRequestsAndReadsNoAnswersIsCut(t *testing.T) {
	r := newRig(t, http.HandlerFunc(hello), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = 200 * time.Millisecond })
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	requests := strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 100)
	for err == nil {
		_, err = io.WriteString(conn, requests)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was held for a minute")
	}
	r.server.Close() // which waits until it is counted
	if n := connectionsUnread(r.gateway); n != 1 {
		t.Errorf("%v connections are counted", n)
	}
}

func TestAClientThatDoesNotReadIsCutAndNeutral(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}), func(s *setup) { s.gateway.Limits.BodyIdleTimeout = 200 * time.Millisecond })
	conn, err := net.Dial("tcp", r.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // and never a read
	if c := r.outcomes(1); c.Ignored != 1 || c.Failures != 0 {
		t.Errorf("counted %+v", c)
	}
}

// conversation serves a gateway and an upstream over HTTP/2 without TLS, and
// returns how to begin a request whose body is still to be sent.
func conversation(t *testing.T, idle time.Duration, upstream http.HandlerFunc) (r *rig, begin func(io.Reader) *http.Response) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	start := func(h http.Handler) string {
		s := httptest.NewUnstartedServer(h)
		s.Config.Protocols = protocols
		s.Start()
		t.Cleanup(s.Close)
		return s.URL
	}
	r = newRigTo(t, start(upstream), func(s *setup) { s.route.H2C, s.gateway.Limits.BodyIdleTimeout = true, idle })
	front := start(r.gateway)
	transport := &http.Transport{Protocols: protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return r, func(body io.Reader) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp
	}
}

// A conversation over HTTP/2, as gRPC has them, is alive as long as one side talks.
func TestAConversationInWhichOneSideListensIsNotCut(t *testing.T) {
	const idle, words = 300 * time.Millisecond, 12
	for _, c := range []struct {
		name     string
		client   string // what it says at a time
		upstream http.HandlerFunc
		want     string
	}{
		{"the upstream listens", ".", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%d %v", n, err)
		}, "12 <nil>"},
		{"the client listens", "", func(w http.ResponseWriter, _ *http.Request) {
			for range words {
				_, _ = io.WriteString(w, ".")
				_ = http.NewResponseController(w).Flush()
				<-time.After(idle / 4)
			}
		}, strings.Repeat(".", words)},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, begin := conversation(t, idle, c.upstream)
			body, talk := io.Pipe()
			go func() {
				for range words {
					_, _ = io.WriteString(talk, c.client)
					<-time.After(idle / 4)
				}
				_ = talk.Close()
			}()
			if got, err := io.ReadAll(begin(body).Body); string(got) != c.want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
			if c := r.outcomes(1); c.Successes != 1 {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// A stream on which a client is silent must not open the breaker for all others.
func TestAConversationThatStandsStillIsCutAndNeutral(t *testing.T) {
	r, begin := conversation(t, 50*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
	})
	for range 5 {
		body, talk := io.Pipe()
		if _, err := io.ReadAll(begin(body).Body); err == nil {
			t.Error("a conversation that stood still went on")
		}
		_ = talk.Close()
	}
	if c := r.outcomes(5); c.Ignored != 5 {
		t.Errorf("counted %+v", c)
	}
}
