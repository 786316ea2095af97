package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
)

// accessLines collects a log.
type accessLines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (a *accessLines) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(p)
}

// accessLine is one request in the log.
type accessLine struct {
	Attempts int
	Msg      string
	Path     string
	Status   int
	Bytes    int64
	CutBy    *string `json:"cut_by"`
}

// line waits for the line of a request, which may come after its answer.
func (a *accessLines) line(r *rig, path string) accessLine {
	r.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		a.mu.Lock()
		text := a.text.String()
		a.mu.Unlock()
		for raw := range strings.Lines(text) {
			var l accessLine
			if err := json.Unmarshal([]byte(raw), &l); err != nil || l.CutBy == nil && l.Msg == "request" {
				r.Fatalf("%v: %s", err, raw)
			}
			if l.Msg == "request" && l.Path == path {
				return l
			}
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			r.Fatalf("no line of %s", path)
		}
	}
}

// breakingUpstream answers in the way that its path names.
func breakingUpstream(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/truncated":
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/reset":
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "/long":
		for {
			if _, err := w.Write(make([]byte, bigWrite)); err != nil {
				return
			}
		}
	default:
		hello(w, r)
	}
}

const bigWrite = 32 << 10

// TestAccessLog_AnAnswerThatWasCutIsNotLoggedAsWhole, over both versions of HTTP,
// and also in a log that samples nothing else.
func TestAccessLog_AnAnswerThatWasCutIsNotLoggedAsWhole(t *testing.T) {
	for _, version := range []string{"HTTP/1.1", "HTTP/2.0"} {
		for _, mode := range []string{settings.AccessLogAll, settings.AccessLogSampled} {
			t.Run(version+" "+mode, func(t *testing.T) {
				var access accessLines
				r := newRig(t, http.HandlerFunc(breakingUpstream), func(s *setup) {
					s.gateway.AccessLog.Mode, s.log = mode, &access
				})
				if version == "HTTP/2.0" {
					r.client = r.http2()
				}
				for path, want := range map[string]string{"/truncated": "upstream", "/reset": "upstream", "/long": "client"} {
					r.cut(path, version)
					if got := access.line(r, path); *got.CutBy != want || got.Status != http.StatusOK {
						t.Errorf("%s: %+v, cut by %q, want %q", path, got, *got.CutBy, want)
					}
				}
				if r.get("/whole"); mode == settings.AccessLogAll {
					if got := access.line(r, "/whole"); *got.CutBy != "" || got.Status != http.StatusOK {
						t.Errorf("a whole answer: %+v, cut by %q", got, *got.CutBy)
					}
				}
			})
		}
	}
}

// cut reads some of an answer, which is not to be whole, and leaves.
func (r *rig) cut(path, version string) {
	r.Helper()
	resp, err := r.client.Do(r.request(http.MethodGet, path, nil))
	if err != nil {
		return // the beginning was still in a buffer of the server
	}
	defer resp.Body.Close()
	if resp.Proto != version {
		r.Errorf("it speaks %s", resp.Proto)
	}
	if n, err := io.CopyN(io.Discard, resp.Body, 2*bigWrite); err == nil && path != "/long" {
		r.Errorf("%s: %d bytes without an error", path, n)
	}
}

func TestAccessLog_APanicIsNoAnswer(t *testing.T) {
	var access accessLines
	r := newRig(t, http.HandlerFunc(hello), func(s *setup) {
		s.gateway.AccessLog.Mode, s.log = settings.AccessLogAll, &access
	})
	inner := r.server.Config.Handler
	r.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		inner.ServeHTTP(panickingWriter{w}, req)
	})
	r.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if resp, err := r.client.Do(r.request(http.MethodGet, "/", nil)); err == nil {
		resp.Body.Close()
		t.Errorf("answered %s", resp.Status)
	}
	if got := access.line(r, "/"); *got.CutBy != "gateway" || got.Status != 0 {
		t.Errorf("%+v, cut by %q", got, *got.CutBy)
	}
}

// panickingWriter panics before anything is written.
type panickingWriter struct{ http.ResponseWriter }

func (panickingWriter) Header() http.Header { panic("a defect of ours") }

// TestOptionsAsterisk_IsForTheServerAndIsLogged: net/http would answer it unseen.
func TestOptionsAsterisk_IsForTheServerAndIsLogged(t *testing.T) {
	var access accessLines
	r := newRig(t, http.HandlerFunc(hello), func(s *setup) {
		s.gateway.AccessLog.Mode, s.log = settings.AccessLogAll, &access
	})
	r.server.Config.DisableGeneralOptionsHandler = true // as the daemon sets it
	for method, want := range map[string]int{http.MethodOptions: http.StatusOK, http.MethodGet: http.StatusBadRequest} {
		req := r.request(method, "/", nil)
		req.URL.Opaque = "*"
		got := r.do(req)
		if got.StatusCode != want {
			t.Errorf("%s *: %s", method, got.Status)
		}
	}
	if got := access.line(r, "*"); got.Status == 0 {
		t.Errorf("%+v", got)
	}
	if c := r.breaker.Status().Totals; c.Successes+c.Failures+c.Ignored != 0 {
		t.Errorf("the upstream was asked: %+v", c)
	}
}
