package protect_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/retry"
)

// reply is how one round trip goes: an answer with a status, or an error, after a time.
type reply struct {
	takes  time.Duration
	status int
	err    error
	panics bool
}

// replies answer requests in turn, also those that are under way at once.
type replies struct {
	all []reply

	mu       sync.Mutex
	requests []*http.Request
	bodies   []*tracked
	canceled int
}

// tracked is a body that ends with the context of its request.
type tracked struct {
	io.Reader
	ctx    context.Context
	mu     sync.Mutex
	closed bool
}

func (b *tracked) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

func (b *tracked) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

func (b *tracked) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (u *replies) RoundTrip(r *http.Request) (*http.Response, error) {
	u.mu.Lock()
	n := len(u.requests)
	u.requests = append(u.requests, r)
	u.mu.Unlock()
	reply := u.all[n]
	select {
	case <-time.After(reply.takes):
	case <-r.Context().Done():
		u.mu.Lock()
		defer u.mu.Unlock()
		u.canceled++
		return nil, r.Context().Err()
	}
	switch {
	case reply.panics:
		panic("as told")
	case reply.err != nil:
		return nil, reply.err
	}
	body := &tracked{Reader: strings.NewReader("answer " + string(rune('1'+n))), ctx: r.Context()}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bodies = append(u.bodies, body)
	return &http.Response{StatusCode: reply.status, Header: http.Header{}, Body: body, ContentLength: 8, Request: r}, nil
}

// slow is hedging after 10 ms.
func slow() *guard.Hedge { return &guard.Hedge{After: guard.HedgeAfter{Delay: 10 * time.Millisecond}} }

func TestTransport_Hedges(t *testing.T) {
	broken := errors.New("connection reset")
	for name, tc := range map[string]struct {
		replies []reply
		body    string
		status  int
		err     error
		took    time.Duration
		counts  [3]uint64 // successes, failures, ignored
	}{
		"a fast answer":          {replies: []reply{{status: 200}}, body: "answer 1", status: 200, counts: [3]uint64{1, 0, 0}},
		"a hedge answers first":  {replies: []reply{{takes: time.Hour}, {takes: time.Millisecond, status: 200}}, body: "answer 2", status: 200, took: 11 * time.Millisecond, counts: [3]uint64{1, 0, 1}},
		"a hedge is too late":    {replies: []reply{{takes: 15 * time.Millisecond, status: 404}, {takes: time.Hour}}, body: "answer 1", status: 404, took: 15 * time.Millisecond, counts: [3]uint64{1, 0, 1}},
		"a failed answer waits":  {replies: []reply{{takes: 30 * time.Millisecond, status: 200}, {status: 503}}, body: "answer 1", status: 200, took: 30 * time.Millisecond, counts: [3]uint64{1, 1, 0}},
		"one that says not now":  {replies: []reply{{takes: 30 * time.Millisecond, status: 200}, {status: 429}}, body: "answer 1", status: 200, took: 30 * time.Millisecond, counts: [3]uint64{1, 0, 1}},
		"an error waits":         {replies: []reply{{takes: 20 * time.Millisecond, err: broken}, {takes: 30 * time.Millisecond, status: 200}}, body: "answer 2", status: 200, took: 40 * time.Millisecond, counts: [3]uint64{1, 1, 0}},
		"both fail, and a third": {replies: []reply{{takes: 20 * time.Millisecond, status: 500}, {takes: 20 * time.Millisecond, err: broken}, {status: 200}}, body: "answer 3", status: 200, took: 30 * time.Millisecond, counts: [3]uint64{1, 2, 0}},
		"all fail": {
			replies: []reply{{takes: 20 * time.Millisecond, status: 500}, {takes: 20 * time.Millisecond, err: broken}, {status: 502}},
			body:    "answer 3", status: 502, took: 30 * time.Millisecond, counts: [3]uint64{0, 3, 0},
		},
		"the last one is an error": {
			replies: []reply{{takes: 20 * time.Millisecond, status: 500}, {takes: 20 * time.Millisecond, err: broken}, {err: broken}},
			err:     broken, took: 30 * time.Millisecond, counts: [3]uint64{0, 3, 0},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			u, b := &replies{all: tc.replies}, newBreaker(t, 100)
			policy := prompt()
			policy.Attempts = 3
			g := newGuard(t, guard.Config{Hedge: slow(), Retry: policy, Breaker: b, Concurrency: 1, Timeout: time.Minute})
			client := &http.Client{Transport: protect.Transport(u, g)}
			began := time.Now()
			resp, err := client.Get("http://upstream.test/")
			took := time.Since(began)
			synctest.Wait()
			if !errors.Is(err, tc.err) || took != tc.took {
				t.Fatalf("%s: %v after %v", name, err, took)
			}
			if err == nil {
				if resp.Request.Context().Err() != nil || g.Status().SlotsTaken != 1 {
					t.Errorf("%s: the answer is over before it is read", name)
				}
				text, err := io.ReadAll(resp.Body)
				if string(text) != tc.body || err != nil || resp.StatusCode != tc.status {
					t.Errorf("%s: %d %q, %v", name, resp.StatusCode, text, err)
				}
				_ = resp.Body.Close()
			}
			for i, body := range u.bodies {
				if !body.isClosed() {
					t.Errorf("%s: body %d is open", name, i)
				}
			}
			if len(u.requests) != len(tc.replies) {
				t.Errorf("%s: %d requests", name, len(u.requests))
			}
			s := g.Status()
			if c := b.Status().Totals; [3]uint64{c.Successes, c.Failures, c.Ignored} != tc.counts || s.InFlight != 0 || s.SlotsTaken != 0 || s.Hedges.Losers != 0 {
				t.Errorf("%s: the breaker counts %+v, %+v", name, c, s)
			}
			for i, r := range u.requests {
				if r.Context().Err() == nil {
					t.Errorf("%s: the context of request %d has not ended", name, i)
				}
			}
		})
	}
}

func TestTransport_WhatIsNotHedged(t *testing.T) {
	for name, tc := range map[string]struct {
		method  string
		body    string
		counted bool
		retry   bool
	}{
		"POST":                  {method: http.MethodPost, counted: true},
		"PUT":                   {method: http.MethodPut, counted: true},
		"PUT with retries":      {method: http.MethodPut, retry: true},
		"GET with a body":       {method: http.MethodGet, body: "what", counted: true},
		"DELETE with retries":   {method: http.MethodDelete, retry: true},
		"POST with retries":     {method: http.MethodPost, retry: true, counted: true},
		"a body beside retries": {method: http.MethodGet, body: "what", retry: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			u := &replies{all: []reply{{takes: time.Second, status: 200}}}
			cfg := guard.Config{Hedge: slow()}
			if tc.retry {
				cfg.Retry = prompt()
			}
			g := newGuard(t, cfg)
			var body io.Reader
			if tc.body != "" {
				body = strings.NewReader(tc.body)
			}
			req, _ := http.NewRequestWithContext(t.Context(), tc.method, "http://upstream.test/", body)
			resp, err := (&http.Client{Transport: protect.Transport(u, g)}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			h := g.Status().Hedges
			if counted := h.Refused[guard.HedgeNotIdempotent] == 1; len(u.requests) != 1 || h.Started != 0 || counted != tc.counted {
				t.Errorf("%s: %d requests, %+v", name, len(u.requests), h)
			}
		})
	}
}

func TestTransport_TheTimeLimitBoundsHedgesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, b := &replies{all: []reply{{takes: time.Hour}, {takes: time.Hour}}}, newBreaker(t, 100)
		g := newGuard(t, guard.Config{Hedge: slow(), Breaker: b, Timeout: 50 * time.Millisecond})
		began := time.Now()
		_, err := (&http.Client{Transport: protect.Transport(u, g)}).Get("http://upstream.test/")
		if took := time.Since(began); !errors.Is(err, fault.CallTimeout) || took != 50*time.Millisecond {
			t.Errorf("%v after %v", err, took)
		}
		if c := b.Status().Totals; c.Failures != 2 || u.canceled != 2 {
			t.Errorf("the breaker counts %+v, %d canceled", c, u.canceled)
		}
	})
}

func TestTransport_ACallerThatLeavesEndsAllRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, b := &replies{all: []reply{{takes: time.Hour}, {takes: time.Hour}}}, newBreaker(t, 100)
		g := newGuard(t, guard.Config{Hedge: slow(), Breaker: b})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://upstream.test/", nil)
		_, err := (&http.Client{Transport: protect.Transport(u, g)}).Do(req)
		synctest.Wait()
		if c := b.Status().Totals; !errors.Is(err, context.Canceled) || c.Ignored != 2 || u.canceled != 2 || g.Status().InFlight != 0 {
			t.Errorf("%v, the breaker counts %+v, %d canceled", err, c, u.canceled)
		}
	})
}

func TestTransport_APanicOfAHedgeIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, b := &replies{all: []reply{{takes: time.Hour}, {panics: true}}}, newBreaker(t, 100)
		g := newGuard(t, guard.Config{Hedge: slow(), Breaker: b, Concurrency: 1, Timeout: time.Minute})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://upstream.test/", nil)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			_, _ = protect.Transport(u, g).RoundTrip(req)
		}()
		synctest.Wait()
		if c, s := b.Status().Totals, g.Status(); c.Failures != 1 || c.Ignored != 1 || s.SlotsTaken != 0 || u.canceled != 1 {
			t.Errorf("the breaker counts %+v, %+v", c, s)
		}
	})
}

// A handler that makes its attempts through Hedged, as a reverse proxy would.
func TestHandler_Hedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBreaker(t, 100)
		g := newGuard(t, guard.Config{Hedge: slow(), Breaker: b, Timeout: time.Minute, Retry: &retry.Config{}})
		var mu sync.Mutex
		made := 0
		attempts := guard.Attempts[int]{
			Make: func(ctx context.Context, a guard.Attempt) (int, error) {
				mu.Lock()
				made++
				mu.Unlock()
				if a.Number == 2 {
					return a.Number, nil
				}
				<-ctx.Done()
				return a.Number, ctx.Err()
			},
			Judge: func(_ int, err error) (outcome.Outcome, bool, error) { return outcome.Success, err == nil, err },
			Drop:  func(int) {},
		}
		h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !protect.Hedges(r.Context()) {
				t.Error("nothing is hedged")
			}
			if n, err := protect.Hedged(r.Context(), attempts); n != 2 || err != nil {
				t.Error(n, err)
			}
			w.WriteHeader(http.StatusOK)
		}), g, protect.IdempotentBy(func(*http.Request) bool { return true }))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		synctest.Wait()
		if c := b.Status().Totals; made != 2 || c.Successes != 1 || c.Ignored != 1 || protect.Hedges(t.Context()) {
			t.Errorf("%d attempts, the breaker counts %+v", made, c)
		}
		attempts.Make = func(_ context.Context, a guard.Attempt) (int, error) { return a.Number, nil }
		if n, err := protect.Hedged(t.Context(), attempts); n != 1 || err != nil {
			t.Errorf("without a handler: %d, %v", n, err)
		}
	})
}
