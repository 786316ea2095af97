package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/internal/testkit/broken"
)

// failing is a way in which an upstream fails, and what an operator is told of it.
type failing struct {
	name     string
	class    string
	breakers string // class in the breaker, where it is another
	reason   string // that the text has
	upstream func(t *testing.T) string
	with     func(t *testing.T, s *setup)
	cut      bool // the answer had begun
}

var failingUpstreams = []failing{
	{name: "closed port", class: "refused", reason: "connection refused", upstream: broken.Closed},
	{name: "reset", class: "reset", reason: "connection reset by peer", upstream: broken.Talk(func(c *net.TCPConn) { _ = c.SetLinger(0) })},
	{name: "no such name", class: "dns", reason: "no such host", upstream: func(*testing.T) string { return "http://db.test" }, with: func(_ *testing.T, s *setup) { s.dial = broken.Nameless }},
	{name: "unknown authority", class: "tls", reason: `tls: the certificate of "127.0.0.1" is signed by an unknown authority, "CN=test authority"; if it is to be trusted, name it in tls.ca_file`, upstream: broken.TLS(time.Hour, "127.0.0.1", nil)},
	{name: "expired", class: "tls", reason: `tls: the certificate of "127.0.0.1" has expired: it was valid until 2`, upstream: broken.TLS(-time.Hour, "127.0.0.1", nil), with: trusted},
	{name: "another name", class: "tls", reason: `tls: the certificate is for "192.0.2.1" and not for 127.0.0.1; if it is the right one, set tls.server_name`, upstream: broken.TLS(time.Hour, "192.0.2.1", nil), with: trusted},
	{name: "plain HTTP", class: "tls", reason: "tls: the upstream answers without TLS; if it has none, write http://", upstream: broken.Secure(broken.Says("HTTP/1.1 400 Bad Request\r\n\r\n"))},
	{name: "plain text", class: "tls", reason: "tls: the upstream answers without TLS; if it has none, write http://", upstream: broken.Secure(broken.Says("220 mail.test\r\n"))},
	{name: "garbage", class: "protocol", reason: `malformed HTTP response "garbage"`, upstream: broken.Says("garbage\r\n\r\n")},
	{name: "empty reply", class: "eof", reason: "EOF", upstream: broken.Talk(func(*net.TCPConn) {})},
	{name: "half an answer", class: "eof", reason: "unexpected EOF", upstream: broken.Says("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf"), cut: true},
	{name: "the guard's timeout", class: "timeout", breakers: "call_timeout", reason: "call_timeout", upstream: broken.Silent, with: func(_ *testing.T, s *setup) { s.guard.Timeout = 50 * time.Millisecond }},
	{name: "a body that stands still", class: "timeout", reason: "the body stood still for too long", upstream: broken.Says("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf" + broken.AndWaits), with: func(_ *testing.T, s *setup) { s.route.IdleTimeout = 50 * time.Millisecond }, cut: true},
	{name: "500 that breaks off", class: "status_5xx", breakers: "eof", reason: "the answer has status 500", upstream: broken.Says("HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\nhalf"), cut: true},
	{name: "500", class: "status_5xx", breakers: "status_500", reason: "the answer has status 500", upstream: broken.Says("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n")},
}

// trusted trusts the authority of the broken servers.
func trusted(t *testing.T, s *setup) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: broken.Authority.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.route.TLS = &settings.UpstreamTLS{CAFile: path}
}

// logLine is one line of the gateway's log.
type logLine struct {
	Msg, Level, Route, Upstream, Guard, Class, Error, Refused, CutBy string
	RequestID                                                        string `json:"request_id"`
	Status                                                           int
	Flags                                                            []string
	Duration                                                         float64 `json:"duration_seconds"`
	Header                                                           float64 `json:"upstream_seconds"`
	Omitted                                                          uint64
}

func (a *accessLines) all(t *testing.T) (list []logLine) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	for raw := range bytes.Lines(a.text.Bytes()) {
		var l logLine
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

func (a *accessLines) with(t *testing.T, msg string) (list []logLine) {
	t.Helper()
	return slices.DeleteFunc(a.all(t), func(l logLine) bool { return l.Msg != msg })
}

// TestUpstreamFailures_AreNamedEverywhere: in the route's counts, in the breaker, in the
// log with the reason and in the access log, for servers that really fail.
func TestUpstreamFailures_AreNamedEverywhere(t *testing.T) {
	for _, c := range failingUpstreams {
		t.Run(c.name, func(t *testing.T) {
			var log accessLines
			r := newRigTo(t, c.upstream(t), func(s *setup) {
				s.route.Name, s.gateway.AccessLog.Mode, s.log = "pay", settings.AccessLogSampled, &log
				if c.with != nil {
					c.with(t, s)
				}
			})
			const requests = 2
			for range requests {
				if c.cut {
					r.cut("/long", "HTTP/1.1")
				} else {
					r.get("/")
				}
			}
			got := r.route()
			if len(got.Failures) != 1 || got.Failures[0].Class != c.class || got.Failures[0].Count != requests || !strings.Contains(got.Failures[0].Reason, c.reason) {
				t.Errorf("the route has %+v, want %s", got.Failures, c.class)
			}
			wantBreaker := c.class
			if c.breakers != "" {
				wantBreaker = c.breakers
			}
			if last := r.breaker.Status().LastErrors; len(last) != 1 || last[0].Class != wantBreaker || last[0].Count != requests {
				t.Errorf("the breaker has %+v, want %s", last, wantBreaker)
			}
			lines := log.with(t, "an upstream failed")
			if len(lines) != 1 || lines[0].Level != "WARN" || lines[0].Route != "pay" || lines[0].Upstream != got.Upstream || lines[0].Class != c.class || lines[0].Error != got.Failures[0].Reason || lines[0].RequestID == "" {
				t.Errorf("the log says %+v", lines)
			}
			access := log.with(t, "request")
			want := []string{"upstream_" + strings.TrimPrefix(c.class, "status_")}
			if c.cut {
				want = append(want, "upstream_cut")
			}
			if len(access) != requests || !slices.Equal(access[0].Flags, want) || access[0].Refused != "" || access[0].Route != "pay" || access[0].Upstream != got.Upstream {
				t.Errorf("the access log says %+v, want %v", access, want)
			}
			if got.Cut["upstream"] != 0 != c.cut {
				t.Errorf("cut: %v", got.Cut)
			}
		})
	}
}

// One line for each class and route in ten seconds, which says how many were left out.
func TestUpstreamFailures_AreLoggedFromTimeToTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log accessLines
		request := failingAlone(t, &log, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "db.test"}})
		for range 25 {
			request()
			time.Sleep(time.Second)
		}
		lines := log.with(t, "an upstream failed")
		if len(lines) != 3 || lines[0].Omitted != 0 || lines[1].Omitted != 9 || lines[2].Omitted != 9 {
			t.Errorf("%+v", lines)
		}
	})
}

// failingAlone is a gateway without a network whose upstream fails with err.
func failingAlone(t *testing.T, log *accessLines, err error) func() {
	t.Helper()
	return alone(context.Background(), gatewayAloneTo(t, log, settings.Route{Name: "pay"}, failsWith{err}))
}

type failsWith struct{ err error }

func (f failsWith) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

// What an upstream says goes into the log and the status within a bound, and as one line.
func TestUpstreamFailures_ReasonsAreBounded(t *testing.T) {
	r := newRigTo(t, broken.Says(strings.Repeat("\x1bgarbage ", 1000)+"\r\n\r\n")(t), nil)
	r.get("/")
	if reason := r.route().Failures[0].Reason; len(reason) > 410 || strings.ContainsAny(reason, "\x1b\n") {
		t.Errorf("%d bytes: %s", len(reason), reason)
	}
}
