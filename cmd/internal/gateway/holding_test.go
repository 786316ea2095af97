package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// from returns a client whose connections come from an address of this machine's own
// network, and how to open one by hand.
func (r *rig) from(ip string) (*http.Client, func(text string) (net.Conn, *bufio.Reader)) {
	r.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	r.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, func(text string) (net.Conn, *bufio.Reader) {
		conn, err := dialer.DialContext(r.Context(), "tcp", r.server.Listener.Addr().String())
		if err != nil {
			r.Fatal(err)
		}
		r.Cleanup(func() { _ = conn.Close() })
		if _, err := io.WriteString(conn, text); err != nil {
			r.Fatal(err)
		}
		return conn, bufio.NewReader(conn)
	}
}

// head reads the head of an answer and leaves its body.
func (r *rig) head(answers *bufio.Reader) *http.Response {
	r.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		r.Fatal(err)
	}
	return resp
}

// eventually waits for what another goroutine is about to do.
func (r *rig) eventually(what string, done func() bool) {
	r.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-limit.C:
			r.Fatal("never happened: " + what)
		}
	}
}

const websocket = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

// sites is an upstream that serves what the attacks ask for.
func sites() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", hello)
	mux.HandleFunc("/ws", upgradeEcho)
	mux.HandleFunc("/bytes/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.Header().Set("Content-Length", strconv.Itoa(n))
		chunk := make([]byte, 64<<10)
		for ; n > 0; n -= len(chunk) {
			if _, err := w.Write(chunk[:min(n, len(chunk))]); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/wait", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// A key that has all that it may have in flight is refused without the guard, and
// others are served. The count outlives a reload.
func TestWhatOneKeyHasInFlightIsBounded(t *testing.T) {
	var log lines
	r := newRig(t, sites(), func(s *setup) {
		s.route.Key, s.route.MaxInFlightPerKey = "{header:X-User}/{remote_ip}", 2
		s.gateway.AccessLog.Mode = settings.AccessLogSampled
		s.log = &log
	})
	conns := make([]net.Conn, 2)
	for i := range conns {
		var answers *bufio.Reader
		conns[i], answers = r.raw(websocket)
		r.head(answers)
	}
	for i := range 2 {
		req := r.request(http.MethodGet, "/", nil)
		req.Header.Set("X-User", strconv.Itoa(i)) // which it may choose
		a := r.do(req)
		if p := a.problem(t); p.Status != http.StatusTooManyRequests || p.Code != fault.InFlightLimited.String() || p.RetryAfter != 1 || a.Header.Get("Retry-After") != "1" {
			t.Errorf("%+v, Retry-After %q", p, a.Header.Get("Retry-After"))
		}
		r.reload() // a table with the same route
	}
	if c := r.outcomes(2); c.Successes != 2 || c.Ignored != 0 {
		t.Errorf("the guard has heard of what was refused: %+v", c)
	}
	other, _ := r.from("127.0.0.2")
	if resp, err := other.Get(r.server.URL); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("another key: %v %v", resp, err)
	} else {
		_ = resp.Body.Close()
	}
	_ = conns[0].Close()
	r.eventually("a place is free again", func() bool { return r.get("/").StatusCode == http.StatusOK })
	if !strings.Contains(log.String(), `"refused":"in_flight_limited"`) {
		t.Errorf("the access log does not say what was refused: %s", log.String())
	}
}

func TestConnectionsOfOneClientAreBounded(t *testing.T) {
	var log lines
	r := newRig(t, sites(), func(s *setup) { s.gateway.Limits.MaxConnectionsPerClient, s.log = 2, &log })
	conns := make([]net.Conn, 2)
	for i := range conns {
		var answers *bufio.Reader
		conns[i], answers = r.raw(websocket)
		r.head(answers)
	}
	for range 3 {
		_, answers := r.raw("")
		if _, err := answers.ReadByte(); err == nil {
			t.Error("one connection too many is served")
		}
	}
	if n := strings.Count(log.String(), "connections are refused"); n != 1 || !strings.Contains(log.String(), `"client":"127.0.0.1"`) {
		t.Errorf("%d lines of the log say so: %s", n, log.String())
	}
	other, _ := r.from("127.0.0.2")
	if n := answeredOf(t, other, r.server.URL, 1); n != 1 {
		t.Error("another client is not served")
	}
	_ = conns[0].Close()
	r.eventually("a place is free again", func() bool {
		_, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		_, err := http.ReadResponse(answers, nil)
		return err == nil
	})
}

func TestConnectionsOfTrustedProxiesAreNotCounted(t *testing.T) {
	r := newRig(t, sites(), func(s *setup) {
		s.gateway.Limits.MaxConnectionsPerClient = 1
		s.gateway.TrustedProxies = []string{"127.0.0.0/8"}
	})
	for range 3 {
		_, answers := r.raw(websocket)
		if resp := r.head(answers); resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("answered %d", resp.StatusCode)
		}
	}
}

// Two kinds of place: upgraded connections neither take those of requests nor can they
// be without bound.
func TestUpgradedConnectionsHoldAPlaceOfTheirOwnKind(t *testing.T) {
	r := newRig(t, sites(), func(s *setup) {
		s.guard.Concurrency = 1
		s.route.MaxUpgraded = 2
	})
	conns := make([]net.Conn, 2)
	for i := range conns {
		var answers *bufio.Reader
		conns[i], answers = r.raw(websocket)
		if resp := r.head(answers); resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("connection %d: %d", i, resp.StatusCode)
		}
	}
	if s := r.guard.Status(); s.SlotsTaken != 0 || s.InFlight != 0 {
		t.Errorf("upgraded connections take %d slots, %d are in flight", s.SlotsTaken, s.InFlight)
	}
	if a := r.get("/"); a.StatusCode != http.StatusOK {
		t.Errorf("a request beside them: %d", a.StatusCode)
	}
	_, answers := r.raw(websocket)
	resp := r.head(answers)
	body, _ := io.ReadAll(resp.Body)
	a := answer{resp, string(body)}
	if p := a.problem(t); p.Status != http.StatusServiceUnavailable || p.Code != fault.ConcurrencyLimited.String() || p.RetryAfter != 1 {
		t.Errorf("one connection too many: %+v", p)
	}
	if c := r.outcomes(4); c.Successes != 3 || c.Ignored != 1 {
		t.Errorf("counted %+v", c)
	}
	_ = conns[0].Close()
	r.eventually("a place is free again", func() bool {
		_, answers := r.raw(websocket)
		return r.head(answers).StatusCode == http.StatusSwitchingProtocols
	})
}

func TestAnUpgradedConnectionThatIsSilentIsClosed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits settings.Limits
		route  time.Duration
	}{
		{"by the gateway's limit", settings.Limits{UpgradeIdleTimeout: 200 * time.Millisecond}, 0},
		{"by the route's", settings.Limits{UpgradeIdleTimeout: -1}, 200 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, sites(), func(s *setup) { s.gateway.Limits, s.route.IdleTimeout = tc.limits, tc.route })
			conn, answers := r.raw(websocket)
			r.head(answers)
			for range 5 { // each of them is heard of within the limit, all of them are not
				<-time.NewTimer(80 * time.Millisecond).C
				fmt.Fprintf(conn, "still here\n")
				if line, err := answers.ReadString('\n'); err != nil || line != "still here\n" {
					t.Fatalf("%q %v", line, err)
				}
			}
			if _, err := answers.ReadByte(); err == nil {
				t.Error("something came")
			}
			r.eventually("the connection is given up", func() bool { return r.gateway.Upgraded() == 0 })
		})
	}
}

// The place in the guard ends with the upstream's answer, not with the client's reading.
func TestAnAnswerThatTheClientDoesNotTakeHoldsNoPlace(t *testing.T) {
	for _, upstream := range []string{"HTTP/1.1", "HTTP/2"} {
		t.Run(upstream, func(t *testing.T) {
			up := httptest.NewUnstartedServer(sites())
			up.Config.Protocols = new(http.Protocols)
			up.Config.Protocols.SetHTTP1(true)
			up.Config.Protocols.SetUnencryptedHTTP2(true)
			up.Start()
			defer up.Close()
			r := newRigTo(t, up.URL, func(s *setup) {
				s.guard.Concurrency = 1
				s.route.H2C = upstream == "HTTP/2"
			})
			_, frames := r.raw(windowsOfZero(1, "/bytes/30000"))
			countHeaders(t, frames, 1)
			r.eventually("the place is free", func() bool { return r.guard.Status().SlotsTaken == 0 })
			if a := r.get("/"); a.StatusCode != http.StatusOK {
				t.Errorf("another client: %d", a.StatusCode)
			}
			if c := r.outcomes(2); c.Successes != 2 {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// windowsOfZero is a connection of HTTP/2 whose client takes nothing: its windows are
// empty, and it asks for path on so many streams.
func windowsOfZero(streams int, path string) string {
	b := bytes.NewBufferString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame := func(kind, flags byte, stream uint32, payload string) {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
		head = binary.BigEndian.AppendUint32(append(head, kind, flags), stream)
		b.Write(head)
		b.WriteString(payload)
	}
	const settings, headers, initialWindow = 4, 1, "\x00\x04\x00\x00\x00\x00"
	frame(settings, 0, 0, initialWindow)
	for i := range streams {
		// GET for http://x, without a table: the path is written out.
		frame(headers, 5, uint32(2*i+1), "\x82\x86\x04"+string(rune(len(path)))+path+"\x01\x01x")
	}
	return b.String()
}

// countHeaders reads frames until so many answers have begun.
func countHeaders(t *testing.T, frames io.Reader, answers int) {
	t.Helper()
	const headers = 1
	for head := make([]byte, 9); answers > 0; {
		if _, err := io.ReadFull(frames, head); err != nil {
			t.Fatalf("%d answers have not begun: %v", answers, err)
		}
		if head[3] == headers {
			answers--
		}
		_, _ = io.CopyN(io.Discard, frames, int64(head[0])<<16|int64(head[1])<<8|int64(head[2]))
	}
}

// What one client holds it takes from nobody: three ways of holding all there is, and
// the share of the requests of others that is answered meanwhile.
func TestAClientThatHoldsWhatItCanTakesNothingFromOthers(t *testing.T) {
	const perKey, requests = 16, 300
	for _, tc := range []struct {
		name   string
		perKey int
		attack func(r *rig, open func(string) (net.Conn, *bufio.Reader))
	}{
		{name: "idle WebSockets, no limit by key", attack: holdWebSockets},
		{name: "idle WebSockets", perKey: perKey, attack: holdWebSockets},
		{name: "windows of zero and answers that fit a buffer, no limit by key", attack: func(r *rig, open func(string) (net.Conn, *bufio.Reader)) {
			holdWindows(r, open, "/bytes/10000")
		}},
		{name: "windows of zero", perKey: perKey, attack: func(r *rig, open func(string) (net.Conn, *bufio.Reader)) {
			holdWindows(r, open, "/bytes/1000000")
		}},
		{name: "slow reading", perKey: perKey, attack: holdDownloads},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, sites(), func(s *setup) {
				s.guard.Concurrency = 64
				s.route.Key, s.route.MaxInFlightPerKey = "{remote_ip}", tc.perKey
			})
			_, open := r.from("127.0.0.1")
			tc.attack(r, open)
			victim, _ := r.from("127.0.0.2")
			if answered := answeredOf(t, victim, r.server.URL, requests); answered*100 < requests*99 {
				t.Errorf("%d of %d requests of others were answered; the attacker holds %d slots", answered, requests, r.guard.Status().SlotsTaken)
			}
			if taken := r.guard.Status().SlotsTaken; taken > int64(tc.perKey) {
				t.Errorf("one client holds %d slots", taken)
			}
		})
	}
}

func answeredOf(t *testing.T, client *http.Client, url string, requests int) (answered int) {
	t.Helper()
	for range requests {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := client.Do(req); err == nil {
			if _, err := io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode == http.StatusOK {
				answered++
			}
			_ = resp.Body.Close()
		}
		cancel()
	}
	return answered
}

func holdWebSockets(r *rig, open func(string) (net.Conn, *bufio.Reader)) {
	for range 64 {
		_, answers := open(websocket)
		r.head(answers)
	}
}

func holdWindows(r *rig, open func(string) (net.Conn, *bufio.Reader), path string) {
	const streams = 100
	for range 2 {
		_, frames := open(windowsOfZero(streams, path))
		countHeaders(r.T, frames, streams)
	}
}

func holdDownloads(r *rig, open func(string) (net.Conn, *bufio.Reader)) {
	for range 128 {
		_, answers := open("GET /bytes/10000000 HTTP/1.1\r\nHost: x\r\n\r\n")
		r.head(answers)
	}
}

// reload puts the same configuration in force once more.
func (r *rig) reload() {
	r.Helper()
	table, err := r.gateway.Prepare(r.Context(), r.config)
	if err != nil {
		r.Fatal(err)
	}
	if err := r.gateway.Use(table, func(string) (*guard.Guard, error) { return r.guard, nil }); err != nil {
		r.Fatal(err)
	}
}
