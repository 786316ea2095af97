package httpworker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/pool/httpworker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var background = context.Background()

// client returns a worker of a pool that is closed with the test.
func client(t *testing.T, o httpworker.Options) *httpworker.Client {
	t.Helper()
	p := open(t, o)
	l, err := p.Acquire(background)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Release() })
	return l.Value()
}

func open(t *testing.T, o httpworker.Options) *pool.Pool[*httpworker.Client] {
	t.Helper()
	f, err := httpworker.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New("billing", pool.Config{}, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(background) })
	return p
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestScenario75_ABadBaseURLIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "is required",
		"billing.example.com":    "needs the scheme",
		"ftp://x":                "needs the scheme",
		"http://":                "names no host",
		"http://u:secret@[::1":   "cannot be parsed",
		"http://x/?token=secret": "must not have a query",
	} {
		_, err := httpworker.Kind().Open(t.Context(), "billing", pool.Config{}, &httpworker.Options{BaseURL: text})
		if !errors.Is(err, fault.InvalidConfig) || !strings.Contains(err.Error(), "options.base_url") || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the secret is in %v", text, err)
		}
	}
	o := httpworker.Options{BaseURL: "http://x", Headers: map[string]string{"a b": "", "x": "a\nb"}, Timeout: -1, MaxResponse: -1, Proxy: "x"}
	f, _ := errors.AsType[*fault.Error](o.Validate())
	if f == nil || len(f.Problems()) != 5 {
		t.Errorf("%v", f)
	}
}

func TestScenario76_RequestsReachTheServiceAsTheyWereMeant(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Header.Get("X-Key")+r.Header.Get("X-Own"))
		fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.RequestURI(), body)
	})
	c := client(t, httpworker.Options{BaseURL: base + "/v1", Headers: map[string]string{"x-key": "k"}})
	for _, tc := range []struct {
		send func() (*httpworker.Response, error)
		want string
	}{
		{func() (*httpworker.Response, error) { return c.Get(background, "/a b", url.Values{"q": {"1 2"}}) }, "GET /v1/a%20b?q=1+2 "},
		{func() (*httpworker.Response, error) { return c.Post(background, "x", "text/plain", []byte("hi")) }, "POST /v1/x hi"},
		{func() (*httpworker.Response, error) {
			return c.Do(background, httpworker.Request{Method: "PUT", Header: http.Header{"x-own": {"o"}}})
		}, "PUT /v1 "},
	} {
		answer, err := tc.send()
		if err != nil || string(answer.Body) != tc.want || answer.Status != 200 || !strings.HasPrefix(answer.Header.Get("X-Seen"), "k") {
			t.Errorf("got %+v, %v; want %q", answer, err, tc.want)
		}
	}
	for _, path := range []string{"http://evil/", "//evil/x", "../admin", "a?b=c", "%zz"} {
		if _, err := c.Get(background, path, nil); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("%q: %v", path, err)
		}
	}
	for _, path := range []string{"%2e%2e/admin", "..%2fadmin", "a/%2E./x", "..%5cadmin"} { // servers unescape before they resolve
		if answer, err := c.Get(background, path, nil); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("%q: %v, %v", path, answer, err)
		}
	}
	if answer, err := c.Get(background, "a/../b%2fc..d", nil); err != nil || string(answer.Body) != "GET /v1/b%2fc..d " {
		t.Errorf("%+v, %v", answer, err)
	}
	if st := c.Stats(); st.Requests != 13 || st.Failures != 9 || st.ByClass[2] != 4 || st.BytesSent != 2 || st != c.PoolStats() {
		t.Errorf("%+v", st)
	}
}

func TestScenario76_JSONGoesBothWays(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.Copy(w, r.Body)
		case "/broken":
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"a":`)
		case "/html":
			fmt.Fprint(w, "<html>")
		case "/void":
			w.WriteHeader(http.StatusNoContent)
		default:
			http.Error(w, "sorry", http.StatusServiceUnavailable)
		}
	})
	c := client(t, httpworker.Options{BaseURL: base})
	type order struct{ A int }
	var got order
	if err := c.JSON(background, http.MethodPost, "/echo", order{7}, &got); err != nil || got.A != 7 {
		t.Errorf("%v, %v", got, err)
	}
	if err := c.JSON(background, http.MethodDelete, "/void", nil, nil); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/broken", "/html", "/down"} {
		if err := c.JSON(background, http.MethodGet, path, nil, &got); !errors.Is(err, fault.OperationFailed) {
			t.Errorf("%s: %v", path, err)
		}
	}
	err := c.JSON(background, http.MethodGet, "/down", nil, &got)
	if s, ok := errors.AsType[*httpworker.StatusError](err); !ok || s.Status != 503 || !strings.Contains(string(s.Body), "sorry") {
		t.Errorf("%v", err)
	}
	if e, ok := errors.AsType[*json.UnsupportedTypeError](c.JSON(background, "POST", "/echo", make(chan int), nil)); !ok {
		t.Errorf("%v", e)
	}
}

func TestScenario76_StatusesAreResultsAndCounted(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/404" {
			http.NotFound(w, r)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	c := client(t, httpworker.Options{BaseURL: base})
	for path, want := range map[string]int{"/404": 404, "/502": 502} {
		if answer, err := c.Get(background, path, nil); err != nil || answer.Status != want {
			t.Errorf("%v, %v", answer, err)
		}
	}
	if st := c.Stats(); st.ByClass[4] != 1 || st.ByClass[5] != 1 || st.Failures != 0 {
		t.Errorf("%+v", st)
	}
}

func TestScenario76_RedirectsAreBoundedAndKeepSecretsHome(t *testing.T) {
	var leaked atomic.Bool
	foreign := serve(t, func(w http.ResponseWriter, r *http.Request) {
		leaked.Store(r.Header.Get("X-Api-Key") != "")
		fmt.Fprint(w, "foreign")
	})
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err != nil {
			http.Redirect(w, r, foreign, http.StatusFound)
			return
		}
		if n == 0 {
			fmt.Fprint(w, "there")
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/%d", n-1), http.StatusFound)
	})
	c := client(t, httpworker.Options{BaseURL: base, MaxRedirects: 3, Headers: map[string]string{"X-Api-Key": "k"}})
	if answer, err := c.Get(background, "/3", nil); err != nil || string(answer.Body) != "there" {
		t.Errorf("%v, %v", answer, err)
	}
	if _, err := c.Get(background, "/4", nil); !errors.Is(err, fault.OperationFailed) || !strings.Contains(err.Error(), "more than 3 redirects") {
		t.Errorf("%v", err)
	}
	if answer, err := c.Get(background, "/away", nil); err != nil || string(answer.Body) != "foreign" || leaked.Load() {
		t.Errorf("%v, %v, leaked %v", answer, err, leaked.Load())
	}
	none := client(t, httpworker.Options{BaseURL: base, MaxRedirects: -1})
	if answer, err := none.Get(background, "/1", nil); err != nil || answer.Status != http.StatusFound {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestScenario76_BadAnswersAreErrorsAndTheWorkerSurvives(t *testing.T) {
	release := make(chan struct{})
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = w.Write(make([]byte, 101))
		case "/exact":
			_, _ = w.Write(make([]byte, 100))
		case "/short":
			w.Header().Set("Content-Length", "50")
			_, _ = w.Write(make([]byte, 10))
		case "/garbage":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = conn.Write([]byte("garbage\r\n\r\n"))
				_ = conn.Close()
			}
		case "/slow":
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
	})
	defer close(release)
	c := client(t, httpworker.Options{BaseURL: base, MaxResponse: 100, Timeout: 50 * time.Millisecond})
	for path, want := range map[string]fault.Code{
		"/large": fault.OperationFailed, "/short": fault.OperationFailed, "/garbage": fault.OperationFailed, "/slow": fault.CallTimeout,
	} {
		if _, err := c.Get(background, path, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	canceled, cancel := context.WithCancel(background)
	cancel()
	if _, err := c.Get(canceled, "/slow", nil); !errors.Is(err, fault.Canceled) {
		t.Errorf("%v", err)
	}
	if answer, err := c.Get(background, "/exact", nil); err != nil || len(answer.Body) != 100 {
		t.Errorf("%v, %v", answer, err)
	}
}

func TestScenario76_ARefusedConnectionIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := client(t, httpworker.Options{BaseURL: "http://user:secret@" + address})
	_, err = c.Get(background, "/", nil)
	if !errors.Is(err, fault.OperationFailed) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	if st := c.Stats(); st.Failures != 1 {
		t.Errorf("%+v", st)
	}
}

func TestWorkersShareTheirConnectionsUnlessIsolated(t *testing.T) {
	for isolate, want := range map[bool]int32{false: 1, true: 2} {
		var dialed atomic.Int32
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				dialed.Add(1)
			}
		}
		s.Start()
		p := open(t, httpworker.Options{BaseURL: s.URL, Isolate: isolate})
		a, errA := p.Acquire(background)
		b, errB := p.Acquire(background)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		for _, l := range []pool.Lease[*httpworker.Client]{a, b} {
			if _, err := l.Value().Get(background, "/", nil); err != nil {
				t.Fatal(err)
			}
			l.Release()
		}
		if dialed.Load() != want {
			t.Errorf("isolate %v: %d connections, want %d", isolate, dialed.Load(), want)
		}
		if err := p.Close(background); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

func TestAHealthPathIsAskedBeforeAWorkerIsLent(t *testing.T) {
	var sick atomic.Bool
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	f, err := httpworker.New(httpworker.Options{BaseURL: base, HealthPath: "/healthz"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pool.New("billing", pool.Config{CheckAfter: time.Nanosecond}, f)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(background)
	for _, now := range []bool{false, true} {
		sick.Store(now)
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	if st := p.Stats(); st.BadChecks == 0 {
		t.Errorf("%+v", st)
	}
}

func TestTheGreatestLimitOfAnAnswerCutsNothingOff(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "whole") })
	c := client(t, httpworker.Options{BaseURL: base, MaxResponse: math.MaxInt64})
	if answer, err := c.Get(background, "/", nil); err != nil || string(answer.Body) != "whole" {
		t.Errorf("%+v, %v", answer, err)
	}
}

// A health path that cannot be asked for would fail every check.
func TestAHealthPathIsCheckedWithTheOptions(t *testing.T) {
	for path, ok := range map[string]bool{
		"/healthz": true, "": true, "a/b": true, "/healthz?full=1": false, "http://other/": false, "../up": false, "%2e%2e/up": false,
	} {
		err := httpworker.Options{BaseURL: "http://x/v1", HealthPath: path}.Validate()
		if errors.Is(err, fault.InvalidConfig) == ok || !ok && !strings.Contains(err.Error(), "options.health_path") {
			t.Errorf("%q: %v", path, err)
		}
	}
}
