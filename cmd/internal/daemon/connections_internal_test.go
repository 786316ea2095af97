package daemon

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// limited is a server with at most limit connections. A request to /wait lasts until
// release is closed.
type limited struct {
	*testing.T

	address string
	waiting chan struct{} // receives once for each request that waits
	release chan struct{}
	list    *limitListener
}

func newLimited(t *testing.T, limit int) *limited {
	t.Helper()
	s := &limited{T: t, waiting: make(chan struct{}), release: make(chan struct{})}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = ln.Addr().String()
	limited := limitConnections(ln, limit, srv)
	s.list, _ = limited.(*limitListener)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(limited) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return s
}

func (s *limited) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/wait" {
		s.waiting <- struct{}{}
		<-s.release
	}
}

// open connects and sends text.
func (s *limited) open(text string) (net.Conn, *bufio.Reader) {
	s.Helper()
	conn, err := new(net.Dialer).DialContext(s.Context(), "tcp", s.address)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		s.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		s.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func (s *limited) answered(answers *bufio.Reader) {
	s.Helper()
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		s.Fatal(err)
	}
	_ = resp.Body.Close()
}

// idles waits until so many connections are idle.
func (s *limited) idles(n int) {
	s.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		s.list.mu.Lock()
		now := s.list.idle.Len()
		s.list.mu.Unlock()
		if now == n {
			return
		}
		select {
		case <-tick.C:
		case <-s.Context().Done():
			s.Fatalf("%d connections are idle, want %d", now, n)
		}
	}
}

const (
	ask  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	wait = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n"
)

// Else anybody could keep all others out with connections that ask for nothing.
func TestLimitConnections_ANewOneTakesThePlaceOfTheLongestIdle(t *testing.T) {
	s := newLimited(t, 2)
	_, first := s.open(ask)
	s.answered(first)
	s.idles(1)
	conn, second := s.open(ask)
	s.answered(second)
	s.idles(2)
	_, third := s.open(ask)
	s.answered(third)
	if _, err := first.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the one that was idle for longest stays: %v", err)
	}
	if _, err := io.WriteString(conn, ask); err != nil {
		t.Fatal(err)
	}
	s.answered(second)
	s.idles(2)
	s.list.mu.Lock()
	defer s.list.mu.Unlock()
	if s.list.open != 2 {
		t.Errorf("%d connections are counted", s.list.open)
	}
}

func TestLimitConnections_BusyOnesStay(t *testing.T) {
	s := newLimited(t, 2)
	_, first := s.open(wait)
	<-s.waiting
	_, second := s.open(wait)
	<-s.waiting
	_, third := s.open(ask) // waits
	close(s.release)
	for _, answers := range []*bufio.Reader{first, second, third} {
		s.answered(answers)
	}
}

// An idle connection of HTTP/2 is one without streams.
func TestLimitConnections_HTTP2(t *testing.T) {
	s := newLimited(t, 1)
	_, frames := s.open("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	s.idles(1)
	_, answers := s.open(ask)
	s.answered(answers)
	if _, err := io.Copy(io.Discard, frames); err != nil {
		t.Errorf("the idle connection: %v", err)
	}
}

// The place of a connection is given back once, whoever closes it.
func TestLimitConnections_ClosingEndsWhoeverWaits(t *testing.T) {
	s := newLimited(t, 1)
	_, first := s.open(wait)
	<-s.waiting
	_, second := s.open(ask)
	_ = s.list.Close()
	if _, err := second.ReadByte(); err == nil {
		t.Error("a connection was served by a listener that is closed")
	}
	close(s.release)
	s.answered(first)
}
