package protect_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/retry"
)

// inProcess sends requests to a handler.
type inProcess struct {
	http.Handler
	seen int
}

func (p *inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	p.seen++
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r.Clone(context.WithoutCancel(r.Context()))) // as over a wire: no values of the client
	return w.Result(), nil
}

// ServeHTTP has a context of its own, as that of a server's request.
func (p *inProcess) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Handler.ServeHTTP(w, r.WithContext(context.Background()))
}

// tier is a service that asks the one behind it and answers 502 if that fails.
func tier(t *testing.T, behind http.RoundTripper, opts ...protect.Option) *inProcess {
	t.Helper()
	client := &http.Client{Transport: protect.Transport(behind, newGuard(t, guard.Config{Retry: unbounded()}), opts...)}
	return &inProcess{Handler: protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://behind.test/", nil)
		if err != nil {
			t.Error(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode >= http.StatusInternalServerError {
			w.WriteHeader(http.StatusBadGateway)
		}
	}), newGuard(t, guard.Config{}))}
}

// unbounded retries without a wait, and within no budget that a test would meet.
func unbounded() *retry.Config { return &retry.Config{Backoff: 1, BackoffMax: 1, Budget: 1} }

func failing(status int, header ...string) *inProcess {
	return &inProcess{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range header {
			w.Header().Set(name, "1")
		}
		w.WriteHeader(status)
	})}
}

// Three services, each of which makes three attempts: with marks the last one is asked three
// times for one request, and without them 27 times.
func TestRetried_OneOfThreeTiersRetries(t *testing.T) {
	for want, opts := range map[int][]protect.Option{3: {protect.TrustRetried()}, 27: nil} {
		origin := failing(http.StatusServiceUnavailable)
		inner := tier(t, origin, opts...)
		outer := tier(t, inner, opts...)
		g := newGuard(t, guard.Config{Retry: unbounded()})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://outer.test/", nil)
		resp, err := protect.Transport(outer, g, opts...).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadGateway || origin.seen != want {
			t.Errorf("%d, and the origin was asked %d times, want %d", resp.StatusCode, origin.seen, want)
		}
		trusting := len(opts) > 0
		if marked := resp.Header.Get(protect.RetriedHeader) == "1"; marked != trusting || g.Status().Retries.Stopped[retry.AlreadyRetried] > 0 != trusting {
			t.Errorf("trusting %v: marked %v, stopped %v, asked %d, %d times", trusting, marked, g.Status().Retries.Stopped, outer.seen, inner.seen)
		}
	}
}

func TestRetried_AMarkIsBelievedFromTrustedUpstreamsAlone(t *testing.T) {
	for about, c := range map[string]struct {
		status int
		opts   []protect.Option
		seen   int
		marked bool
	}{
		"not trusted":       {status: 503, seen: 3},
		"trusted":           {status: 503, opts: []protect.Option{protect.TrustRetried()}, seen: 1, marked: true},
		"of a good answer":  {status: 200, opts: []protect.Option{protect.TrustRetried()}, seen: 1, marked: true},
		"of one not asked":  {status: 200, seen: 1},
		"of a judge's own":  {status: 404, opts: []protect.Option{protect.TrustRetried(), protect.OutcomeBy(func(int) outcome.Outcome { return outcome.Failure })}, seen: 1, marked: true},
		"not a failure yet": {status: 404, opts: []protect.Option{protect.TrustRetried()}, seen: 1, marked: true},
	} {
		for _, cfg := range []guard.Config{{Retry: prompt()}, {}} {
			origin := failing(c.status, protect.RetriedHeader)
			resp, err := protect.Transport(origin, newGuard(t, cfg), c.opts...).RoundTrip(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://origin.test/", nil))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			want := c.seen
			if cfg.Retry == nil {
				want = 1
			}
			if marked := resp.Header.Get(protect.RetriedHeader) != ""; marked != c.marked || origin.seen != want {
				t.Errorf("%s, retries %v: asked %d times, marked %v", about, cfg.Retry != nil, origin.seen, marked)
			}
		}
	}
}

// A handler's answer is marked by what happened below it, and by nothing that its own upstream
// or its code has put there.
func TestRetried_TheHandlerAnswersForItself(t *testing.T) {
	final := func(r *http.Request) {
		_, _ = protect.Retry(r.Context(), outcome.Failure, retry.Final(errors.New("down")))
	}
	for about, c := range map[string]struct {
		next   func(http.ResponseWriter, *http.Request)
		marked bool
	}{
		"retried in vain": {func(w http.ResponseWriter, r *http.Request) { final(r); w.WriteHeader(http.StatusBadGateway) }, true},
		"recovered":       {func(w http.ResponseWriter, r *http.Request) { final(r); _, _ = w.Write([]byte("from the cache")) }, false},
		"failed at once":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, false},
		"a mark of somebody else": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(protect.RetriedHeader, "1")
			w.WriteHeader(http.StatusBadGateway)
		}, false},
		"an error that is not final": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = protect.Retry(r.Context(), outcome.Failure, errors.New("down"))
			w.WriteHeader(http.StatusBadGateway)
		}, false},
	} {
		w := httptest.NewRecorder()
		protect.Handler(http.HandlerFunc(c.next), newGuard(t, guard.Config{})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if marked := w.Header().Get(protect.RetriedHeader) == "1"; marked != c.marked {
			t.Errorf("%s: marked %v", about, marked)
		}
	}
}

func TestRetried_ATimeoutAfterRetriesIsMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		protect.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = protect.Retry(r.Context(), outcome.Failure, retry.Final(errors.New("down")))
			<-r.Context().Done()
		}), newGuard(t, guard.Config{Timeout: time.Second})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if w.Code != http.StatusGatewayTimeout || w.Header().Get(protect.RetriedHeader) != "1" {
			t.Errorf("%d, %v", w.Code, w.Header())
		}
	})
}
