package protect_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

// rudeBodyError is a body whose methods do not return, and whose error's do not either.
type rudeBodyError struct{ testkit.RudeError }

func (b rudeBodyError) Read([]byte) (int, error) { return 0, b.RudeError }
func (b rudeBodyError) Close() error             { b.RudeError(); return nil }

// body notes that it was closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error { b.closed = true; return nil }

// wantNothingHeld asserts that the calls have ended, the last as a failure if fails.
func wantNothingHeld(t *testing.T, g *guard.Guard, b *breaker.Breaker, fails bool) {
	t.Helper()
	if s := g.Status(); s.InFlight != 0 || s.SlotsTaken != 0 {
		t.Errorf("%d calls in flight, %d places taken", s.InFlight, s.SlotsTaken)
	}
	if open := b.State() == breaker.StateOpen; open != fails {
		t.Errorf("the breaker is open: %v", open)
	}
}

// The functions that describe, judge and answer requests are the user's, and so are
// the methods of errors. If one of them does not return, the request is a failure
// unless it never began, it holds no place, and the panic goes on.
func TestHandler_UserCodeThatDoesNotReturnHoldsNothing(t *testing.T) {
	for way, end := range testkit.Ends() {
		for name, c := range map[string]struct {
			next    http.HandlerFunc
			opt     protect.Option
			counted bool
		}{
			"key":      {nil, protect.KeyBy(func(*http.Request) ratelimit.Key { end(); return ratelimit.Key{} }), false},
			"cost":     {nil, protect.CostBy(func(*http.Request) int64 { end(); return 1 }), false},
			"priority": {nil, protect.PriorityBy(func(*http.Request) guard.Priority { end(); return 0 }), false},
			"outcome":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, protect.OutcomeBy(func(int) outcome.Outcome { end(); return 0 }), true},
			"outcome of a switched protocol": {
				func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusSwitchingProtocols) },
				protect.OutcomeBy(func(int) outcome.Outcome { end(); return 0 }), true,
			},
			"reported error": {func(_ http.ResponseWriter, r *http.Request) { protect.ReportError(r.Context(), testkit.RudeError(end)) }, nil, true},
			"reported error of a handler that panics": {func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusOK)
				protect.ReportError(r.Context(), testkit.RudeError(end))
				panic(http.ErrAbortHandler)
			}, nil, true},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				b := newBreaker(t, 1)
				g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
				next := c.next
				if next == nil {
					next = func(http.ResponseWriter, *http.Request) {}
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
				if !testkit.Apart(func() { protect.Handler(next, g, c.opt).ServeHTTP(httptest.NewRecorder(), r) }) {
					t.Error("the end did not go on")
				}
				wantNothingHeld(t, g, b, c.counted)
			})
		}
	}
}

// The bug: a place was held for ever if the function that judges, or a method of the
// round trip's error, panicked.
func TestTransport_UserCodeThatDoesNotReturnHoldsNothing(t *testing.T) {
	for way, end := range testkit.Ends() {
		answered := &body{Reader: http.NoBody}
		answer := func(body io.ReadCloser) roundTrip {
			return func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: body, Request: r}, nil
			}
		}
		for name, c := range map[string]struct {
			base roundTrip
			opt  protect.Option
		}{
			"round trip": {func(*http.Request) (*http.Response, error) { end(); return nil, nil }, nil},
			"outcome":    {answer(answered), protect.OutcomeBy(func(int) outcome.Outcome { end(); return 0 })},
			"error":      {func(*http.Request) (*http.Response, error) { return nil, testkit.RudeError(end) }, nil},
			"wrapped error": {func(*http.Request) (*http.Response, error) {
				return nil, &url.Error{Op: "Get", Err: testkit.RudeError(end)}
			}, nil},
			"typed nil":    {func(*http.Request) (*http.Response, error) { return nil, (*url.Error)(nil) }, nil},
			"body's error": {answer(rudeBodyError{end}), nil},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				b := newBreaker(t, 1)
				g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
				if !testkit.Apart(func() {
					resp, err := protect.Transport(c.base, g, c.opt).RoundTrip(r)
					if err == nil {
						_, _ = resp.Body.Read(nil)
						_ = resp.Body.Close()
					}
				}) {
					t.Error("the end did not go on")
				}
				wantNothingHeld(t, g, b, true)
			})
		}
		if !answered.closed {
			t.Errorf("%s: nobody closes the body of an answer that could not be judged", way)
		}
	}
}

// A body that does not come back from Close was answered well.
func TestTransport_ABodyThatDoesNotCloseHoldsNothing(t *testing.T) {
	for way, end := range testkit.Ends() {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
		base := roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusOK, Body: rudeBodyError{end}, Request: r}, nil
		})
		ended := testkit.Apart(func() {
			resp, err := protect.Transport(base, g).RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
			if err == nil {
				_ = resp.Body.Close()
			}
		})
		if !ended {
			t.Errorf("%s: the end did not go on", way)
		}
		wantNothingHeld(t, g, b, false)
	}
}

// A failure wins over a refusal that it is joined with, in what the guard makes of
// it and in what the client is told.
func TestAFailureBesideARefusal(t *testing.T) {
	refusal := fault.New(fault.Spec{Code: fault.RateLimited})
	for name, c := range map[string]struct {
		err    error
		status int
		fails  bool
	}{
		"refusal":             {refusal, http.StatusTooManyRequests, false},
		"refusals":            {errors.Join(refusal, refusal), http.StatusTooManyRequests, false},
		"failure and refusal": {errors.Join(io.ErrUnexpectedEOF, refusal), http.StatusBadGateway, true},
		"refusal and failure": {errors.Join(refusal, io.ErrUnexpectedEOF), http.StatusBadGateway, true},
		"no worker":           {fault.New(fault.Spec{Code: fault.WorkerFailed}), http.StatusServiceUnavailable, true},
		"timeout":             {fault.New(fault.Spec{Code: fault.CallTimeout}), http.StatusGatewayTimeout, true},
	} {
		b := newBreaker(t, 1)
		g := newGuard(t, guard.Config{Breaker: b, Concurrency: 1})
		w := httptest.NewRecorder()
		protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			protect.ReportError(r.Context(), c.err)
			protect.WriteRefusal(w, r, c.err)
		}), g).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if w.Code != c.status {
			t.Errorf("%s: status %d, want %d", name, w.Code, c.status)
		}
		wantNothingHeld(t, g, b, c.fails)
	}
}
