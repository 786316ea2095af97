package protect_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/retry"
)

// upstream answers requests in turn, with a status or an error, and remembers what it was sent.
type upstream struct {
	turns  []any // int or error; the last one is repeated
	header http.Header
	hang   bool // instead of an answer

	sent   []string // the bodies
	bodies []*closeCounter
}

func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	turn := u.turns[min(len(u.sent), len(u.turns)-1)]
	u.sent = append(u.sent, string(body))
	if u.hang {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	}
	if err, ok := turn.(error); ok {
		return nil, err
	}
	answer := &closeCounter{Reader: strings.NewReader("answer")}
	u.bodies = append(u.bodies, answer)
	h := u.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	return &http.Response{StatusCode: turn.(int), Header: h, Body: answer, ContentLength: 6, Request: r}, nil //nolint:forcetypeassert // a test's own
}

func prompt() *retry.Config { return &retry.Config{Backoff: 1, BackoffMax: 1} }

func send(t *testing.T, u *upstream, g *guard.Guard, method string, body io.Reader) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://upstream.test/", body)
	if err != nil {
		t.Fatal(err)
	}
	return protect.Transport(u, g).RoundTrip(r)
}

func textOf(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	_ = resp.Body.Close()
	return string(text)
}

// An attempt that could not connect has read nothing of a body that nobody can make again, and
// closed it: the next one has all of it. It is closed in the end, whatever comes.
func TestTransportRetry_ABodyThatWasNotAskedFor(t *testing.T) {
	for _, connects := range []bool{true, false} {
		body, sent, attempts := &closeCounter{Reader: strings.NewReader("text")}, "", 0
		base := roundTrip(func(r *http.Request) (*http.Response, error) {
			if attempts++; attempts < 3 || !connects {
				_ = r.Body.Close()
				return nil, errors.New("connection refused")
			}
			text, _ := io.ReadAll(r.Body)
			sent = string(text)
			_ = r.Body.Close()
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "http://upstream.test/", body)
		r.ContentLength = 4
		resp, err := protect.Transport(base, newGuard(t, guard.Config{Retry: prompt()})).RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != connects || attempts != 3 || connects && sent != "text" || body.closed.Load() == 0 {
			t.Errorf("connects %v: %v after %d attempts, %q was sent, closed %d times", connects, err, attempts, sent, body.closed.Load())
		}
	}
}

func TestTransportRetry_AFailedStatusIsTriedAgain(t *testing.T) {
	b := newBreaker(t, 100)
	g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b, Concurrency: 1, Timeout: time.Hour})
	u := &upstream{turns: []any{503, errDown, 200}}
	resp, err := send(t, u, g, http.MethodGet, nil)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	if isFree(g) {
		t.Error("the place was free before the body was read")
	}
	if got := textOf(t, resp); got != "answer" || !isFree(g) || len(u.sent) != 3 || u.bodies[0].closed.Load() == 0 {
		t.Errorf("%q after %d attempts, the place is free: %v", got, len(u.sent), isFree(g))
	}
	if c, s := b.Status().Totals, g.Status(); c.Failures != 2 || c.Successes != 1 || s.Results[guard.Succeeded] != 1 || s.Results[guard.Failed] != 0 {
		t.Errorf("the breaker counts %+v, the guard %v", c, s.Results)
	}
}

func TestTransportRetry_InVainTheLastAnswerIsWhole(t *testing.T) {
	g := newGuard(t, guard.Config{Retry: prompt(), Concurrency: 1})
	u := &upstream{turns: []any{500, 502, 503}}
	resp, err := send(t, u, g, http.MethodGet, nil)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || textOf(t, resp) != "answer" || !isFree(g) {
		t.Errorf("%v, %v", resp, err)
	}
	if s := g.Status(); s.Results[guard.Failed] != 1 || s.Retries.Stopped[retry.OutOfAttempts] != 1 {
		t.Errorf("status %+v", s)
	}
	if _, err = send(t, &upstream{turns: []any{errDown}}, g, http.MethodGet, nil); !errors.Is(err, errDown) || !retry.IsFinal(err) || !isFree(g) {
		t.Errorf("an error in vain: %v", err)
	}
}

func TestTransportRetry_AnOpenCircuitLeavesTheLastAnswer(t *testing.T) {
	b := newBreaker(t, 1)
	u := &upstream{turns: []any{503}}
	resp, err := send(t, u, newGuard(t, guard.Config{Retry: prompt(), Breaker: b}), http.MethodGet, nil)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || textOf(t, resp) != "answer" || len(u.sent) != 1 || b.Status().Totals.Failures != 1 {
		t.Errorf("%v, %v after %d attempts", resp, err, len(u.sent))
	}
}

func TestTransportRetry_OnlyWhatMayBeSentTwice(t *testing.T) {
	long := strings.Repeat("x", 65<<10)
	unknown := func(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }
	for name, tc := range map[string]struct {
		method   string
		body     io.Reader
		length   int64
		header   string
		attempts int
	}{
		"GET":                                 {method: http.MethodGet, attempts: 3},
		"PUT with GetBody":                    {method: http.MethodPut, body: strings.NewReader("text"), attempts: 3},
		"PUT with a long body and GetBody":    {method: http.MethodPut, body: strings.NewReader(long), attempts: 3},
		"DELETE with a body of known length":  {method: http.MethodDelete, body: unknown("text"), length: 4, attempts: 3},
		"PUT with a body of unknown length":   {method: http.MethodPut, body: unknown("text"), length: -1, attempts: 1},
		"PUT with a body too long to be kept": {method: http.MethodPut, body: unknown(long), length: int64(len(long)), attempts: 1},
		"POST":                                {method: http.MethodPost, body: strings.NewReader("text"), attempts: 1},
		"POST with a key":                     {method: http.MethodPost, body: strings.NewReader("text"), header: "Idempotency-Key", attempts: 3},
		"PATCH":                               {method: http.MethodPatch, body: strings.NewReader("text"), attempts: 1},
		"a switch of protocols":               {method: http.MethodGet, header: "Upgrade", attempts: 1},
	} {
		g := newGuard(t, guard.Config{Retry: prompt(), Concurrency: 1})
		r, err := http.NewRequestWithContext(t.Context(), tc.method, "http://upstream.test/", tc.body)
		if err != nil {
			t.Fatal(err)
		}
		if tc.length != 0 {
			r.ContentLength = tc.length
		}
		if tc.header != "" {
			r.Header.Set(tc.header, "17")
		}
		before := r.Clone(t.Context())
		u := &upstream{turns: []any{503}}
		resp, err := protect.Transport(u, g).RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable || len(u.sent) != tc.attempts {
			t.Errorf("%s: %v, %v after %d attempts, want %d", name, resp, err, len(u.sent), tc.attempts)
			continue
		}
		_ = textOf(t, resp)
		for _, sent := range u.sent {
			if sent != u.sent[0] || tc.body != nil && sent == "" {
				t.Errorf("%s: an attempt has sent %d bytes, the first %d", name, len(sent), len(u.sent[0]))
			}
		}
		if r.ContentLength != before.ContentLength || len(r.Header) != len(before.Header) || r.Body != before.Body {
			t.Errorf("%s: the request was changed", name)
		}
		if n := g.Status().Retries.Stopped[retry.NotIdempotent]; (n == 1) != (tc.attempts == 1) || !isFree(g) {
			t.Errorf("%s: %d are counted as not idempotent", name, n)
		}
	}
}

func TestTransportRetry_BodiesAreClosed(t *testing.T) {
	for name, turns := range map[string][]any{"at once": {200}, "in the end": {503, 200}, "in vain": {errDown}} {
		body := &closeCounter{Reader: strings.NewReader("text")}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://upstream.test/", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 4
		resp, err := protect.Transport(&upstream{turns: turns}, newGuard(t, guard.Config{Retry: prompt()})).RoundTrip(r)
		if err == nil {
			_ = textOf(t, resp)
		}
		if body.closed.Load() != 1 {
			t.Errorf("%s: the body was closed %d times", name, body.closed.Load())
		}
	}
}

// A body that its sender holds up was read before the guard was asked, outside of every limit.
func TestRegression_NoBodyIsReadBeforeTheGuardAdmits(t *testing.T) {
	body := &closeCounter{Reader: readerOf(func([]byte) (int, error) {
		t.Error("the body was read")
		return 0, io.EOF
	})}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://upstream.test/", body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 4
	b := newBreaker(t, 1)
	if err := b.Force(breaker.StateOpen, breaker.Override{Actor: "a test", Reason: "an outage"}); err != nil {
		t.Fatal(err)
	}
	if _, err := protect.Transport(&upstream{turns: []any{200}}, newGuard(t, guard.Config{Breaker: b, Retry: prompt()})).RoundTrip(r); !errors.Is(err, fault.CircuitOpen) {
		t.Error(err)
	}
	if body.closed.Load() != 1 {
		t.Errorf("the body was closed %d times", body.closed.Load())
	}
}

type readerOf func([]byte) (int, error)

func (f readerOf) Read(p []byte) (int, error) { return f(p) }

// What has not been sent to its end cannot be sent again.
func TestTransportRetry_ABodyThatWasNotSentWholeIsNotSentAgain(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://upstream.test/", io.MultiReader(strings.NewReader("te")))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 4
	u := &upstream{turns: []any{503, 200}}
	resp, err := protect.Transport(u, newGuard(t, guard.Config{Retry: prompt()})).RoundTrip(r)
	if err == nil {
		_ = textOf(t, resp)
	}
	if len(u.sent) != 1 {
		t.Errorf("%d attempts, the last ended with %v", len(u.sent), err)
	}
}

func TestTransportRetry_RetryAfterIsHeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after, want := range map[string]struct {
			attempts int
			waits    time.Duration
		}{"3": {3, 6 * time.Second}, "11": {1, 0}, "soon": {3, 0}} {
			u, g := &upstream{turns: []any{503}, header: http.Header{"Retry-After": {after}}}, newGuard(t, guard.Config{Retry: prompt()})
			began := time.Now()
			resp, err := send(t, u, g, http.MethodGet, nil)
			if err != nil || textOf(t, resp) != "answer" || len(u.sent) != want.attempts || time.Since(began).Round(time.Millisecond) != want.waits {
				t.Errorf("Retry-After %s: %d attempts in %v, %v", after, len(u.sent), time.Since(began), err)
			}
		}
	})
}

func TestTransportRetry_ALimitOfTheDependencyIsTriedAgainIfListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listed := prompt()
		listed.Outcomes = retry.Causes()
		for name, tc := range map[string]struct {
			policy   *retry.Config
			attempts int
		}{"not listed": {prompt(), 1}, "listed": {listed, 2}} {
			u := &upstream{turns: []any{429, 200}, header: http.Header{"Retry-After": {"1"}}}
			g := newGuard(t, guard.Config{Retry: tc.policy})
			resp, err := send(t, u, g, http.MethodGet, nil)
			if err != nil || textOf(t, resp) != "answer" || len(u.sent) != tc.attempts {
				t.Errorf("%s: %d attempts, %v", name, len(u.sent), err)
			}
		}
	})
}

func TestTransportRetry_EachAttemptHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		policy := prompt()
		policy.AttemptTimeout = time.Second
		g := newGuard(t, guard.Config{Retry: policy, Timeout: 2500 * time.Millisecond, Concurrency: 1})
		u, began := &upstream{turns: []any{200}, hang: true}, time.Now()
		_, err := send(t, u, g, http.MethodGet, nil)
		if took := time.Since(began).Round(time.Millisecond); !errors.Is(err, fault.CallTimeout) || len(u.sent) != 3 || took != 2500*time.Millisecond || !isFree(g) {
			t.Errorf("%d attempts in %v: %v", len(u.sent), took, err)
		}
		if s := g.Status(); s.Retries.Retried[retry.TimedOut] != 2 || s.Results[guard.TimedOut] != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

func TestTransportRetry_ACallerThatLeftIsNotServed(t *testing.T) {
	b := newBreaker(t, 1)
	g := newGuard(t, guard.Config{Retry: prompt(), Breaker: b})
	ctx, cancel := context.WithCancel(t.Context())
	attempts := 0
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://upstream.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = protect.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
		attempts++
		cancel()
		return nil, ctx.Err()
	}), g).RoundTrip(r)
	if attempts != 1 || !errors.Is(err, context.Canceled) || b.State() != breaker.StateClosed || g.Status().Results[guard.CallerLeft] != 1 {
		t.Errorf("%d attempts, %v, %v", attempts, err, g.Status().Results)
	}
}

// The connection of a failed answer with a small body is used again, for the next attempt.
func TestTransportRetry_ConnectionsAreUsedAgain(t *testing.T) {
	var requests atomic.Int32
	remotes := make(chan string, 3)
	url, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remotes <- r.RemoteAddr
		if requests.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100))
	}))
	client.Transport = protect.Transport(client.Transport, newGuard(t, guard.Config{Retry: prompt(), Timeout: time.Minute}))
	defer client.CloseIdleConnections()
	resp := open(t, client, url)
	if text := textOf(t, resp); resp.StatusCode != http.StatusOK || len(text) != 100 {
		t.Errorf("%d with %d bytes", resp.StatusCode, len(text))
	}
	if a, b, c := <-remotes, <-remotes, <-remotes; a != b || b != c {
		t.Errorf("three attempts over the connections %s, %s, %s", a, b, c)
	}
}

// A handler that asks what it guards several times tells the guard of each attempt.
func TestHandlerRetry(t *testing.T) {
	for name, tc := range map[string]struct {
		method   string
		attempts int
	}{"GET": {http.MethodGet, 3}, "POST": {http.MethodPost, 1}} {
		b := newBreaker(t, 100)
		policy := prompt()
		policy.AttemptTimeout = time.Minute
		g := newGuard(t, guard.Config{Retry: policy, Breaker: b, Concurrency: 1, Timeout: time.Hour})
		attempts := 0
		h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			limit := map[string]time.Duration{http.MethodGet: time.Minute}[r.Method]
			for again := true; again; {
				if d := protect.AttemptTimeout(r.Context()); d != limit {
					t.Errorf("%s: an attempt may take %v", name, d)
				}
				attempts++
				again, _ = protect.Retry(r.Context(), outcome.Failure, errDown)
			}
			w.WriteHeader(http.StatusBadGateway)
		}), g, protect.IdempotentBy(func(r *http.Request) bool { return r.Method == http.MethodGet }))
		r, err := http.NewRequestWithContext(t.Context(), tc.method, "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if c := b.Status().Totals; attempts != tc.attempts || int(c.Failures) != tc.attempts || g.Status().Results[guard.Failed] != 1 || !isFree(g) {
			t.Errorf("%s: %d attempts, the breaker counts %+v", name, attempts, c)
		}
	}
	if again, err := protect.Retry(t.Context(), outcome.Failure, errDown); again || !errors.Is(err, errDown) || protect.AttemptTimeout(t.Context()) != 0 {
		t.Errorf("without a handler: %v, %v", again, err)
	}
}
