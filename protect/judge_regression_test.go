package protect_test

import (
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
)

// touchy is an error that must not be looked into, as a typed nil *url.Error.
type touchy struct{}

func (touchy) Error() string { return "touchy" }
func (touchy) Unwrap() error { panic("Unwrap was called") }

// attempt runs fn and swallows a panic.
func attempt(fn func()) {
	defer func() { _ = recover() }()
	fn()
}

// closing is a body that knows whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

// A judge of the user's own, or an error that it looks into, may panic. The place in
// the guard is given back, and the connection too.
func TestATransportWhoseJudgePanicsKeepsNoPlace(t *testing.T) {
	body := &closing{Reader: strings.NewReader("body")}
	for about, c := range map[string]struct {
		base roundTrip
		opts []protect.Option
	}{
		"the outcome": {
			func(*http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
			},
			[]protect.Option{protect.OutcomeBy(func(int) outcome.Outcome { panic("as told") })},
		},
		"the error": {func(*http.Request) (*http.Response, error) { return nil, touchy{} }, nil},
	} {
		for _, timeout := range []time.Duration{0, time.Hour} {
			g := newGuard(t, guard.Config{Concurrency: 1, Breaker: newBreaker(t, 1), Timeout: timeout})
			attempt(func() {
				resp, err := protect.Transport(c.base, g, c.opts...).RoundTrip(outgoing(t.Context(), nil))
				if err == nil {
					resp.Body.Close()
				}
			})
			if !isFree(g) {
				t.Errorf("%s, timeout %v: the place is kept", about, timeout)
			}
		}
	}
	if !body.closed {
		t.Error("the body is not closed")
	}
}

func TestAHandlerWhoseJudgePanicsKeepsNoPlace(t *testing.T) {
	for about, c := range map[string]struct {
		next http.HandlerFunc
		opts []protect.Option
	}{
		"the outcome": {
			func(http.ResponseWriter, *http.Request) {},
			[]protect.Option{protect.OutcomeBy(func(int) outcome.Outcome { panic("as told") })},
		},
		"an error that was reported": {func(_ http.ResponseWriter, r *http.Request) { protect.ReportError(r.Context(), touchy{}) }, nil},
		"an error that was reported before a panic": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			protect.ReportError(r.Context(), touchy{})
			panic(http.ErrAbortHandler)
		}, nil},
	} {
		g := newGuard(t, guard.Config{Concurrency: 1, Breaker: newBreaker(t, 1), Timeout: time.Hour})
		var ended func() error
		next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ended = r.Context().Err
			c.next(w, r)
		})
		attempt(func() {
			protect.Handler(next, g, c.opts...).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
		if !isFree(g) || ended() == nil {
			t.Errorf("%s: the place is kept, or the time limit goes on", about)
		}
	}
}

// A time that lies further ahead than a duration can say is sent as the greatest.
func TestRefusalsWithoutAnEndInSight(t *testing.T) {
	err := fault.New(fault.Spec{
		Code: fault.RateLimited, RetryAt: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		Quota: &fault.Quota{Limit: math.MaxInt64, Window: math.MaxInt64},
	})
	w := httptest.NewRecorder()
	protect.WriteRefusal(w, httptest.NewRequest(http.MethodGet, "/", nil), err)
	for name, want := range map[string]string{
		"Retry-After": "9223372037", "Ratelimit": `"default";r=0;t=9223372037`, "Ratelimit-Policy": `"default";q=999999999999999;w=9223372037`,
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.ProtoMajor = 2
	r.Header.Set("Content-Type", "application/grpc")
	w = httptest.NewRecorder()
	protect.WriteRefusal(w, r, err)
	if got := w.Header().Get("Grpc-Retry-Pushback-Ms"); got != "9223372036855" {
		t.Errorf("pushback %s", got)
	}
}

// Options and errors may hold nil where an interface or a function is expected.
func TestNilOptionsAndErrors(t *testing.T) {
	g := newGuard(t, guard.Config{Concurrency: 1})
	h := protect.Handler(answer(200), g, protect.OutcomeBy(nil), protect.RefuseWith(nil), protect.KeyBy(nil), protect.CostBy(nil), protect.PriorityBy(nil))
	held, err := g.Enter(t.Context(), guard.Call{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != want {
			t.Errorf("answered %d, want %d", w.Code, want)
		}
		held.Close()
	}
	for about, err := range map[string]error{"a nil fault": (*fault.Error)(nil), "one inside": errors.Join((*fault.Error)(nil))} {
		w := httptest.NewRecorder()
		protect.WriteRefusal(w, httptest.NewRequest(http.MethodGet, "/", nil), err)
		if w.Code != http.StatusBadGateway {
			t.Errorf("%s: answered %d", about, w.Code)
		}
	}
}
