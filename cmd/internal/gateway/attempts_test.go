package gateway_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/resend"
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
		"PUT that has body": {http.MethodPut, "text", 3},
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

// receiver notes what the upstream is sent, and fails the first requests after it has read them.
type receiver struct {
	first int32
	asked atomic.Int32
	mu    sync.Mutex
	got   []string
}

func (b *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	b.mu.Lock()
	b.got = append(b.got, string(text))
	b.mu.Unlock()
	if n := b.asked.Add(1); n <= b.first || err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "good")
}

func (b *receiver) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// A body up to a bound is kept while it is sent, and sent again.
func TestAttempts_BodiesAreSentAgain(t *testing.T) {
	large := strings.Repeat("x", resend.MaxBody)
	for about, c := range map[string]struct {
		method, body, key string
		chunked           bool
		asked             int
	}{
		"PUT":                       {method: http.MethodPut, body: "text", asked: 3},
		"DELETE":                    {method: http.MethodDelete, body: "text", asked: 3},
		"at the bound":              {method: http.MethodPut, body: large, asked: 3},
		"beyond the bound":          {method: http.MethodPut, body: large + "x", asked: 1},
		"of unknown length":         {method: http.MethodPut, body: "text", chunked: true, asked: 1},
		"POST":                      {method: http.MethodPost, body: "text", asked: 1},
		"POST that has a key":       {method: http.MethodPost, body: "text", key: "7", asked: 3},
		"POST that has a key alone": {method: http.MethodPost, key: "7", asked: 3},
	} {
		for _, h2 := range []bool{false, true} {
			up := &receiver{first: 2}
			r := h2cRig(t, up, func(s *setup) { retrying(nil)(s); s.route.H2C = h2 })
			var reader io.Reader = strings.NewReader(c.body)
			if c.chunked {
				reader = io.MultiReader(reader)
			}
			req, err := http.NewRequestWithContext(t.Context(), c.method, r.server.URL+"/x", reader)
			if err != nil {
				t.Fatal(err)
			}
			if c.key != "" {
				req.Header.Set("Idempotency-Key", c.key)
			}
			resp, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			got := up.all()
			if len(got) != c.asked || (resp.StatusCode == http.StatusOK) != (c.asked == 3) {
				t.Errorf("%s, to HTTP/2 %v: %d after %d attempts", about, h2, resp.StatusCode, len(got))
			}
			for _, text := range got {
				if text != c.body {
					t.Errorf("%s, to HTTP/2 %v: the upstream got %d bytes of %d", about, h2, len(text), len(c.body))
				}
			}
			if s := r.guard.Status(); c.asked == 1 && s.Retries.Stopped[retry.NotIdempotent] != 1 || s.InFlight != 0 {
				t.Errorf("%s: stopped %v, %d in flight", about, s.Retries.Stopped, s.InFlight)
			}
		}
	}
}

// Of two hosts one does not listen: it has read nothing of the body, which the other one gets.
func TestAttempts_ABodyThatNobodyHasReadGoesToAnotherHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	_ = l.Close()
	up := &receiver{}
	live := httptest.NewServer(up)
	t.Cleanup(live.Close)
	r := newRigTo(t, "", func(s *setup) {
		retrying(nil)(s)
		s.route.Upstream, s.route.Upstreams = "", []string{"http://" + dead, live.URL}
	})
	for range 8 { // of which some go to the dead one first
		if status, _ := r.send(http.MethodPut, "text"); status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	}
	if got := up.all(); len(got) != 8 || slices.ContainsFunc(got, func(text string) bool { return text != "text" }) {
		t.Errorf("the upstream got %q", got)
	}
}

// A client that stops in the middle of its body, or is slow, is not the upstream's doing, and no
// reason to try again. The time limit of an attempt does not run while it sends.
func TestAttempts_AClientThatIsSlowWithItsBody(t *testing.T) {
	up := &receiver{}
	r := newRig(t, up, retrying(func(p *retry.Config) { p.AttemptTimeout = 50 * time.Millisecond }))
	conn, answers := r.raw("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nte")
	<-time.NewTimer(150 * time.Millisecond).C
	_, _ = io.WriteString(conn, "xt")
	if code := nextStatus(t, answers); code != http.StatusOK {
		t.Errorf("a slow client: %d", code)
	}
	conn, _ = r.raw("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nte")
	_ = conn.Close()
	if c := r.outcomes(2); c != (breaker.Counts{Successes: 1, Ignored: 1}) {
		t.Errorf("counted %+v", c)
	}
	if s := r.guard.Status(); s.Retries.Retried[retry.Failed]+s.Retries.Retried[retry.TimedOut] != 0 {
		t.Errorf("retries %v", s.Retries.Retried)
	}
}

// A client that asks first is asked for its body once, also if the first attempt did not want it.
func TestAttempts_AClientThatAsksFirst(t *testing.T) {
	var asked atomic.Int32
	overBoth(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable) // without a look at the body
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}, retrying(nil), func(t *testing.T, r *rig) {
		asked.Store(0)
		conn, answers := r.raw(strings.Replace(expecting, "POST", "PUT", 1))
		code := nextStatus(t, answers)
		if code == http.StatusContinue {
			_, _ = io.WriteString(conn, "body")
			code = nextStatus(t, answers)
		}
		if s := r.guard.Status(); code != http.StatusOK && code != http.StatusServiceUnavailable || s.InFlight != 0 || asked.Load() == 2 != (code == http.StatusOK) {
			t.Errorf("%d after %d attempts, %d in flight", code, asked.Load(), s.InFlight)
		}
	})
}

func TestAttempts_TheAccessLogHasTheirNumber(t *testing.T) {
	for asked, first := range map[int]int32{1: 0, 3: 9} {
		var access accessLines
		r := newRig(t, &unsteady{first: first}, func(s *setup) {
			retrying(nil)(s)
			s.log, s.gateway.AccessLog.Mode = &access, settings.AccessLogAll
		})
		r.send(http.MethodGet, "")
		if got := access.line(r, "/x").Attempts; got != asked {
			t.Errorf("%d attempts in the log, want %d", got, asked)
		}
	}
}

// A body that was not kept is not sent again, whatever the guard would grant: what is left of it is
// no request, and the host would be blamed for it.
func TestAttempts_WhatWasNotKeptIsNotSentAgain(t *testing.T) {
	for about, change := range map[string]func(*rig, *http.Request){
		"the key is for this hop alone": func(_ *rig, r *http.Request) {
			r.Method = http.MethodPost
			r.Header["Idempotency-Key"], r.Header["Connection"] = []string{"7"}, []string{"Idempotency-Key"}
		},
		"the policy is newer than the route": func(r *rig, _ *http.Request) {
			c := r.guard.Config()
			c.Retry = &retry.Config{Backoff: 1, BackoffMax: 1}
			if err := r.guard.Reconfigure(c); err != nil {
				r.Fatal(err)
			}
		},
	} {
		up := &receiver{first: 9}
		r := newRig(t, up, func(s *setup) {
			if strings.HasPrefix(about, "the key") {
				retrying(nil)(s)
			}
		})
		req := r.request(http.MethodPut, "/x", strings.NewReader("text"))
		change(r, req)
		if got := r.do(req); got.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: answered %d", about, got.StatusCode)
		}
		if got := up.all(); len(got) != 1 || got[0] != "text" {
			t.Errorf("%s: the upstream got %q", about, got)
		}
	}
}
