package daemon_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
)

// syncBuffer is a log that many write to.
type syncBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// say opens a connection, sends text, and reads until the other side ends it.
func say(t *testing.T, dial func() (net.Conn, error), text string) string {
	t.Helper()
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second)) // a test that would hang fails
	answer, _ := io.ReadAll(conn)                              // a reset after the answer is none of ours
	return string(answer)
}

// series waits until a metric has a value.
func series(t *testing.T, c *http.Client, d *daemon.Daemon, name, want string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second) // on a machine that is busy
	for {
		_, text := get(t, c, "http://"+d.Address("admin")+"/metrics")
		if strings.Contains(text, name+" "+want+"\n") {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s is never %s\n%s", name, want, text)
		}
	}
}

func faultSeries(listener, kind string) string {
	return fmt.Sprintf("foundation_listener_faults_total{kind=%q,listener=%q}", kind, listener)
}

// h2Start is the preface of HTTP/2 with empty settings.
const h2Start = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// TestFaults_WhatTheServerRefusesByItselfIsCountedAndLogged, in the clear and below
// TLS, while requests that reach a handler and clients that leave are not counted.
func TestFaults_WhatTheServerRefusesByItselfIsCountedAndLogged(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls %v", secure), func(t *testing.T) {
			log, more := &syncBuffer{}, ""
			if secure {
				dir := t.TempDir()
				certificate(t, dir)
				more = fmt.Sprintf(", tls: { cert_file: %q, key_file: %q }", dir+"/tls.crt", dir+"/tls.key")
			}
			text := fmt.Sprintf(anywhere+"gateway: { listen: \"127.0.0.1:0\", routes: [ { match: \"/\", upstream: %q } ]%s }\n", upstream(t, "hello"), more)
			d := run(t, daemon.Options{ConfigFile: write(t, text), WatchEvery: -1, Log: slog.New(slog.NewTextHandler(log, nil))})
			dial := func() (net.Conn, error) {
				conn, err := net.Dial("tcp", d.Address("gateway"))
				if err == nil && secure {
					conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
				}
				return conn, err
			}
			c := client(t, nil)
			series(t, c, d, faultSeries("gateway", "bad_request"), "0")
			const good, last = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
			sayLoudly(dial, "GET / HT") // and leaves
			for _, c := range []struct{ name, text, status string }{
				{"no HTTP at all", "nonsense, and more of it than a preface of HTTP/2 has\r\n\r\n", "400"},
				{"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
				{"a transfer coding that is not known", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
				{"an expectation that is not known", "GET / HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n", "417"},
				{"a header that is too large", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", "431"},
				{"a fault behind a request", good + "GET / HTTP/1.1\r\n\r\n", "400"},
			} {
				if c.status == "431" { // the server reads no further, and the client may not see why
					sayLoudly(dial, c.text)
				} else if got := say(t, dial, c.text); !strings.Contains(got, "HTTP/1.1 "+c.status) {
					t.Errorf("%s: %q", c.name, got)
				}
			}
			if got := say(t, dial, good+last); strings.Count(got, "hello") != 2 {
				t.Errorf("%q", got)
			}
			series(t, c, d, faultSeries("gateway", "bad_request"), "6")
			if !strings.Contains(log.String(), "kind=bad_request") || !secure && !strings.Contains(log.String(), `answer="HTTP/1.1 400 Bad Request"`) {
				t.Error(log)
			}
		})
	}
}

// sayLoudly sends text and leaves, whatever happens meanwhile.
func sayLoudly(dial func() (net.Conn, error), text string) {
	conn, err := dial()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
}

func TestFaults_HTTP2AndHandshakes(t *testing.T) {
	log := &syncBuffer{}
	dir := t.TempDir()
	certificate(t, dir)
	text := fmt.Sprintf("admin: { listen: \"127.0.0.1:0\" }\ngateway: { listen: \"127.0.0.1:0\", routes: [ { match: \"/\", upstream: %q } ] }\nprobes: { listen: \"127.0.0.1:0\" }\n", upstream(t, "hello"))
	d := run(t, daemon.Options{ConfigFile: write(t, text), WatchEvery: -1, Log: slog.New(slog.NewTextHandler(log, nil))})
	c := client(t, nil)
	dial := func() (net.Conn, error) { return net.Dial("tcp", d.Address("gateway")) }
	say(t, dial, h2Start+"\x00\x00\x00\x01\x05\x00\x00\x00\x02") // a stream of an even number
	series(t, c, d, faultSeries("gateway", "http2"), "1")
	conn, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, h2Start+"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x82") // no path
	series(t, c, d, faultSeries("gateway", "http2"), "2")
	series(t, c, d, faultSeries("gateway", "bad_request"), "0")
	secure := run(t, daemon.Options{ConfigFile: write(t, fmt.Sprintf(anywhere+"gateway: { listen: \"127.0.0.1:0\", tls: { cert_file: %q, key_file: %q } }\n", dir+"/tls.crt", dir+"/tls.key")), WatchEvery: -1})
	say(t, func() (net.Conn, error) { return net.Dial("tcp", secure.Address("gateway")) }, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	series(t, c, secure, faultSeries("gateway", "tls_handshake"), "1")
	if !strings.Contains(log.String(), "kind=http2") {
		t.Error(log)
	}
}

func TestAFileThatGoesIsToldAtOnce(t *testing.T) {
	log := &syncBuffer{}
	file := write(t, anywhere)
	d := run(t, daemon.Options{ConfigFile: file, WatchEvery: 2 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	c := client(t, nil)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	series(t, c, d, "foundation_config_last_reload_successful", "0")
	if !strings.Contains(log.String(), "no such file") {
		t.Error(log)
	}
	rewrite(t, file, anywhere)
	series(t, c, d, "foundation_config_last_reload_successful", "1")
}
