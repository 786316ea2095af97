package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

// failingListener fails once for lack of descriptors, and then hands out a connection.
type failingListener struct {
	conn chan net.Conn
	fail []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	if len(l.fail) > 0 {
		err := l.fail[0]
		l.fail = l.fail[1:]
		return nil, err
	}
	conn, ok := <-l.conn
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}
func (l *failingListener) Close() error   { return nil }
func (l *failingListener) Addr() net.Addr { return &net.TCPAddr{} }

// temporary is an error after which the server tries again.
type temporary struct{ error }

func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

func TestFaults_PanicsAndAcceptErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := &listenerFaults{listener: "gateway", log: slog.New(slog.NewTextHandler(&log, nil))}
		srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/abort" {
				panic(http.ErrAbortHandler) // is no fault of ours
			}
			panic("a defect")
		})}
		f.install(srv)
		ln := &failingListener{conn: make(chan net.Conn), fail: []error{temporary{errors.New("too many open files")}}}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(f.listen(ln)) }()
		for _, path := range []string{"/defect", "/abort"} {
			ours, theirs := net.Pipe()
			ln.conn <- theirs
			_, _ = ours.Write([]byte("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"))
			if n, err := ours.Read(make([]byte, 1)); err == nil {
				t.Errorf("%d bytes were answered", n)
			}
			_ = ours.Close()
		}
		close(ln.conn)
		<-done
		counts := map[string]float64{}
		f.collect(func(s telemetry.Sample) { counts[s.Labels[1]] = s.Value })
		if counts["panic"] != 1 || counts["accept"] != 1 || counts["bad_request"] != 0 || counts["other"] != 0 {
			t.Errorf("%v", counts)
		}
		for _, want := range []string{"level=ERROR", "a defect", "faults_internal_test.go", "too many open files", "kind=accept"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is missing in %s", want, log.String())
			}
		}
	})
}
