package gateway_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/retry"
)

// unsteady answers the first requests with 503, or not at all, and the others with 200.
type unsteady struct {
	first int32
	hangs bool
	after string // Retry-After
	asked atomic.Int32
}

func (f *unsteady) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := f.asked.Add(1)
	switch {
	case n > f.first:
		_, _ = io.WriteString(w, "good")
	case f.hangs:
		<-r.Context().Done()
	default:
		if f.after != "" {
			w.Header().Set("Retry-After", f.after)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "bad")
	}
}

func retrying(change func(*retry.Config)) func(*setup) {
	return func(s *setup) {
		s.guard.Retry = &retry.Config{Backoff: 1, BackoffMax: 1}
		if change != nil {
			change(s.guard.Retry)
		}
	}
}

// send makes a request and returns its status and what was answered.
func (r *rig) send(method, body string) (int, string) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.server.URL+"/x", strings.NewReader(body))
	if err != nil {
		r.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestAttempts_WhatCanBeAskedTwiceIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		method, body string
		asked        int32
	}{
		"GET":               {http.MethodGet, "", 3},
		"DELETE":            {http.MethodDelete, "", 3},
		"POST":              {http.MethodPost, "", 1},
		"PUT that has body": {http.MethodPut, "text", 1},
	} {
		up := &unsteady{first: 2}
		r := newRig(t, up, retrying(nil))
		status, text := r.send(tc.method, tc.body)
		if up.asked.Load() != tc.asked || (status == http.StatusOK) != (tc.asked == 3) || (text == "good") != (tc.asked == 3) {
			t.Errorf("%s: %d %q after %d attempts, want %d", name, status, text, up.asked.Load(), tc.asked)
		}
		if c, s := r.breaker.Status().Totals, r.guard.Status(); int32(c.Failures) != min(tc.asked, 2) || s.Results[guard.Succeeded]+s.Results[guard.Failed] != 1 || s.InFlight != 0 || s.Retries.Stopped[retry.NotIdempotent] != uint64(3-tc.asked)/2 {
			t.Errorf("%s: the breaker counts %+v, the guard %v with %d in flight", name, c, s.Results, s.InFlight)
		}
	}
}

func TestAttempts_InVainTheLastAnswerIsTheClients(t *testing.T) {
	up := &unsteady{first: 9}
	r := newRig(t, up, retrying(nil))
	if status, text := r.send(http.MethodGet, ""); status != http.StatusServiceUnavailable || text != "bad" || up.asked.Load() != 3 {
		t.Errorf("%d %q after %d attempts", status, text, up.asked.Load())
	}
	if s := r.guard.Status(); s.Results[guard.Failed] != 1 || s.Retries.Stopped[retry.OutOfAttempts] != 1 {
		t.Errorf("%v, retries %+v", s.Results, s.Retries)
	}
}

func TestAttempts_RetryAfterBeyondItsBoundEndsThem(t *testing.T) {
	up := &unsteady{first: 9, after: "3600"}
	r := newRig(t, up, retrying(nil))
	if status, _ := r.send(http.MethodGet, ""); status != http.StatusServiceUnavailable || up.asked.Load() != 1 || r.guard.Status().Retries.Stopped[retry.AskedTooLong] != 1 {
		t.Errorf("%d after %d attempts", status, up.asked.Load())
	}
}

// What an upstream says of its own retries counts if it is trusted, and is not passed on
// otherwise; what this gateway retried in vain it marks itself.
func TestAttempts_TheMarkOfAnAnswerThatWasRetried(t *testing.T) {
	for about, c := range map[string]struct {
		trusted, guarded, retries bool
		says                      bool // the upstream
		status                    int
		asked                     int32
		marked                    bool
	}{
		"not trusted":                {guarded: true, retries: true, says: true, status: 503, asked: 3, marked: true},
		"trusted":                    {trusted: true, guarded: true, retries: true, says: true, status: 503, asked: 1, marked: true},
		"trusted, and says nothing":  {trusted: true, guarded: true, retries: true, status: 503, asked: 3, marked: true},
		"no failure":                 {trusted: true, guarded: true, retries: true, says: true, status: 404, asked: 1},
		"not trusted, no retries":    {guarded: true, says: true, status: 503, asked: 1},
		"trusted, no retries":        {trusted: true, guarded: true, says: true, status: 503, asked: 1, marked: true},
		"not trusted, no guard":      {says: true, status: 503, asked: 1},
		"trusted, no guard":          {trusted: true, says: true, status: 503, asked: 1, marked: true},
		"not trusted, a good answer": {guarded: true, retries: true, says: true, status: 200, asked: 1},
	} {
		var asked atomic.Int32
		up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			for name := range r.Header {
				if strings.Contains(strings.ToLower(name), "retried") {
					t.Errorf("%s: the client's %s came through", about, name)
				}
			}
			if c.says {
				w.Header().Set(protect.RetriedHeader, "1")
			}
			w.WriteHeader(c.status)
		})
		r := newRig(t, up, func(s *setup) {
			if c.retries {
				retrying(nil)(s)
			}
			if !c.guarded {
				s.route.Guard = ""
			}
			s.route.TrustRetried = c.trusted
		})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.server.URL+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(protect.RetriedHeader, "1")
		req.Header["Foundation_retried"] = []string{"1"}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if marked := resp.Header.Get(protect.RetriedHeader) != ""; resp.StatusCode != c.status || asked.Load() != c.asked || marked != c.marked {
			t.Errorf("%s: %d after %d attempts, marked %v", about, resp.StatusCode, asked.Load(), marked)
		}
	}
}

func TestAttempts_AnUpstreamThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	r := newRigTo(t, "http://"+address, retrying(nil))
	if status, _ := r.send(http.MethodGet, ""); status != http.StatusBadGateway || r.breaker.Status().Totals.Failures != 3 || r.guard.Status().Retries.Retried[retry.Failed] != 2 {
		t.Errorf("%d, the breaker counts %+v", status, r.breaker.Status().Totals)
	}
}

func TestAttempts_EachHasItsTime(t *testing.T) {
	up := &unsteady{first: 1, hangs: true}
	r := newRig(t, up, retrying(func(p *retry.Config) { p.AttemptTimeout = 100 * time.Millisecond }))
	if status, text := r.send(http.MethodGet, ""); status != http.StatusOK || text != "good" {
		t.Errorf("%d %q after %d attempts", status, text, up.asked.Load())
	}
	up.asked.Store(-9)
	if status, _ := r.send(http.MethodGet, ""); status != http.StatusGatewayTimeout {
		t.Errorf("in vain: %d", status)
	}
	if s := r.guard.Status(); s.Retries.Retried[retry.TimedOut] != 3 || s.Results[guard.TimedOut] != 1 {
		t.Errorf("%v, retries %+v", s.Results, s.Retries)
	}
}

// A request without a body has one of no length over HTTP/2, and is retried as over HTTP/1.
func TestRetry_OverHTTP2(t *testing.T) {
	up := &unsteady{first: 1}
	r := newRig(t, up, retrying(nil))
	resp, err := r.http2().Get(r.server.URL + "/x")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || up.asked.Load() != 2 {
		t.Errorf("%d after %d requests", resp.StatusCode, up.asked.Load())
	}
}
