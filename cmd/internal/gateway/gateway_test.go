package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// mirror answers with what it was asked.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Upstream", "yes")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "uri": r.RequestURI, "host": r.Host, "header": r.Header, "body": string(body),
	})
}

type mirrored struct {
	Method, URI, Host, Body string
	Header                  http.Header
}

func (r *rig) mirrored(req *http.Request) (answer, mirrored) {
	r.Helper()
	a := r.do(req)
	var m mirrored
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		r.Fatalf("%v: %s", err, a.body)
	}
	return a, m
}

func TestRequestReachesTheUpstreamWhole(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), nil)
	req := r.request(http.MethodPost, "/a%2Fb/c?x=1&y=%20", strings.NewReader("hello"))
	req.Header.Set("X-Custom", "1")
	req.Header.Set("X-Forwarded-For", "6.6.6.6")
	req.Header.Set("X-Real-Ip", "6.6.6.6")
	req.Header.Set("Connection", "X-Hop")
	req.Header.Set("X-Hop", "gone")
	a, m := r.mirrored(req)
	if a.StatusCode != http.StatusOK || a.Header.Get("X-Upstream") != "yes" {
		t.Errorf("answer %d %v", a.StatusCode, a.Header)
	}
	if m.Method != http.MethodPost || m.URI != "/a%2Fb/c?x=1&y=%20" || m.Body != "hello" || m.Header.Get("X-Custom") != "1" {
		t.Errorf("the upstream saw %+v", m)
	}
	if m.Header.Get("X-Hop") != "" {
		t.Error("a hop-by-hop field went through")
	}
	if got := m.Header.Get("X-Real-Ip"); got != "" {
		t.Errorf("X-Real-Ip %q of a client that nobody trusts", got)
	}
	if got := m.Header.Get("X-Forwarded-For"); got != "127.0.0.1" {
		t.Errorf("an untrusted client could say for whom it speaks: %q", got)
	}
	if m.Host == strings.TrimPrefix(r.server.URL, "http://") {
		t.Error("the upstream got the gateway's host")
	}
	if c := r.outcomes(1); c.Successes != 1 {
		t.Errorf("counted %+v", c)
	}
}

func TestCorrelationID(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), nil)
	for given, kept := range map[string]bool{"abc-123_x.y:z": true, "": false, "with space": false, "evil\"quote": false, strings.Repeat("x", 129): false} {
		req := r.request(http.MethodGet, "/", nil)
		if given != "" {
			req.Header.Set("X-Request-Id", given)
		}
		a, m := r.mirrored(req)
		id := a.Header.Get("X-Request-Id")
		if id == "" || (id == given) != kept || m.Header.Get("X-Request-Id") != id {
			t.Errorf("%q: answered %q, upstream saw %q", given, id, m.Header.Get("X-Request-Id"))
		}
	}
}

func TestWhatAClientSaysOfItsWayIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	claims := []string{"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Real-Ip", "X_forwarded_for", "x_real_ip"}
	for _, trusted := range []bool{false, true} {
		r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
			if trusted {
				s.gateway.TrustedProxies = []string{"127.0.0.0/8"}
			}
		})
		req := r.request(http.MethodGet, "/", nil)
		for _, name := range append(claims, "X-Forward", "X-Reality") {
			req.Header[name] = []string{"claimed"}
		}
		_, m := r.mirrored(req)
		for _, name := range claims {
			if got := m.Header.Get(name); (got == "claimed") != trusted {
				t.Errorf("trusted %v: the upstream saw %s: %q", trusted, name, got)
			}
		}
		if m.Header.Get("X-Forward") == "" || m.Header.Get("X-Reality") == "" || m.Header.Get("X-Forwarded-For") != "127.0.0.1" {
			t.Errorf("the upstream saw %v", m.Header)
		}
	}
}

func TestForwardedForIsContinuedForTrustedProxies(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
		s.gateway.TrustedProxies = []string{"127.0.0.1"}
		s.route.PreserveHost = true
	})
	req := r.request(http.MethodGet, "/", nil)
	req.Host = "shop.example.org"
	req.Header.Set("X-Forwarded-For", "198.51.100.1")
	req.Header.Set("X-Forwarded-Proto", "https")
	_, m := r.mirrored(req)
	if m.Header.Get("X-Forwarded-For") != "198.51.100.1, 127.0.0.1" || m.Header.Get("X-Forwarded-Proto") != "https" || m.Host != "shop.example.org" {
		t.Errorf("the upstream saw %q %q %q", m.Header.Get("X-Forwarded-For"), m.Header.Get("X-Forwarded-Proto"), m.Host)
	}
}

func TestStripPrefix(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.Match, s.route.StripPrefix = "/api/", "/api" })
	for path, want := range map[string]string{"/api/x/y?q=1": "/x/y?q=1", "/api/": "/", "/api/a%2Fb": "/a%2Fb", "/%61pi/a%2Fb": "/a%2Fb"} {
		if _, m := r.mirrored(r.request(http.MethodGet, path, nil)); m.URI != want {
			t.Errorf("%s went on as %s, want %s", path, m.URI, want)
		}
	}
}

// No key is made of a query, so there is nothing that we and the upstream could
// understand differently: it goes on as it came, readable to us or not.
func TestQueriesGoOnAsTheyCame(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), nil)
	for _, query := range []string{"a=1;b=2&c=3", "c=%zz&d=4", "z=1&a=2", "q=a+b%20c", "plain", ""} {
		if _, m := r.mirrored(r.request(http.MethodGet, "/x?"+query, nil)); m.URI != "/x?"+query {
			t.Errorf("%q went on as %s", query, m.URI)
		}
	}
}

// publicBody is all that a refusal may show.
type publicBody struct {
	Type          string
	Title         string
	Status        int
	Code          string
	RetryAfter    int64  `json:"retry_after"`
	CorrelationID string `json:"correlation_id"`
}

func (a answer) problem(t *testing.T) publicBody {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(a.body))
	dec.DisallowUnknownFields()
	var p publicBody
	if err := dec.Decode(&p); err != nil || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d is no problem of the public form: %v %s %s", a.StatusCode, err, a.Header.Get("Content-Type"), a.body)
	}
	if p.Status != a.StatusCode || p.CorrelationID == "" || p.CorrelationID != a.Header.Get("X-Request-Id") {
		t.Errorf("%d: %+v, id %q", a.StatusCode, p, a.Header.Get("X-Request-Id"))
	}
	return p
}

func TestPathsAndMethodsWithoutARoute(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.Match = "GET /there" })
	if p := r.get("/elsewhere").problem(t); p.Status != http.StatusNotFound || p.Code != "not_found" {
		t.Errorf("%+v", p)
	}
	a := r.do(r.request(http.MethodPost, "/there", nil))
	if p := a.problem(t); p.Status != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%+v, Allow %q", p, a.Header.Get("Allow"))
	}
}

func TestRefusalSaysWhenToComeBackAndNothingElse(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
		s.limit = ratelimit.Config{Limit: 2, Per: time.Minute}
		s.route.Key = "{header:X-User}"
	})
	as := func(user string) answer {
		req := r.request(http.MethodGet, "/", nil)
		req.Header.Set("X-User", user)
		return r.do(req)
	}
	for range 2 {
		if a := as("alice"); a.StatusCode != http.StatusOK {
			t.Fatalf("refused within the limit: %d", a.StatusCode)
		}
	}
	a := as("alice")
	p := a.problem(t)
	if p.Status != http.StatusTooManyRequests || p.Code != "rate_limited" || p.RetryAfter < 1 || p.RetryAfter > 30 {
		t.Errorf("%+v", p)
	}
	if a.Header.Get("Retry-After") != fmt.Sprint(p.RetryAfter) {
		t.Errorf("Retry-After %q, body %d", a.Header.Get("Retry-After"), p.RetryAfter)
	}
	if strings.Contains(a.body, "secret-rule-name") || strings.Contains(a.body, "evidence") {
		t.Errorf("the public learns what it must not: %s", a.body)
	}
	if b := as("bob"); b.StatusCode != http.StatusOK {
		t.Errorf("another key is refused: %d", b.StatusCode)
	}
	if c := r.outcomes(3); c.Successes != 3 || c.Failures != 0 || c.Ignored != 0 {
		t.Errorf("counted %+v", c)
	}
}

func TestWhoseFailure(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "own body")
		})
	}
	for _, c := range []struct {
		name     string
		upstream http.Handler // nil: nobody listens
		status   int
		code     string // of the gateway's own answer
		want     breaker.Counts
	}{
		{"refused connection", nil, 502, "operation_failed", breaker.Counts{Failures: 1}},
		{"closed without an answer", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), 502, "operation_failed", breaker.Counts{Failures: 1}},
		{"5xx is passed on and counts", status(503), 503, "", breaker.Counts{Failures: 1}},
		{"404 is an answer", status(404), 404, "", breaker.Counts{Successes: 1}},
		{"429 says nothing of health", status(429), 429, "", breaker.Counts{Ignored: 1}},
		{"no header in time", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), 504, "call_timeout", breaker.Counts{Failures: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			limit := func(s *setup) { s.guard = guard.Config{Timeout: 300 * time.Millisecond} }
			var r *rig
			if c.upstream == nil {
				r = newRigTo(t, "http://"+address, limit)
			} else {
				r = newRig(t, c.upstream, limit)
			}
			a := r.get("/")
			if a.StatusCode != c.status {
				t.Errorf("status %d, want %d", a.StatusCode, c.status)
			}
			if c.code == "" && a.body != "own body" {
				t.Errorf("the upstream's answer was not passed on: %q", a.body)
			}
			if c.code != "" && a.problem(t).Code != c.code {
				t.Errorf("code %q", a.problem(t).Code)
			}
			if got := r.outcomes(1); got != c.want {
				t.Errorf("counted %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAnswersTellWhatIsLeftWhereTheRouteSaysSo(t *testing.T) {
	for tells, want := range map[bool]string{false: "", true: `"default";r=1;t=30`} {
		r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
			s.limit = ratelimit.Config{Limit: 2, Per: time.Minute}
			s.route.RateLimitHeaders = tells
		})
		if a := r.get("/"); a.Header.Get("RateLimit") != want || (a.Header.Get("RateLimit-Policy") == `"default";q=2;w=60`) != tells {
			t.Errorf("told %v: %v", tells, a.Header)
		}
	}
}

// A key with numbers of its own is told these, admitted or refused; one that is exempt is told none.
func TestAnswersTellTheNumbersOfTheKey(t *testing.T) {
	for name, c := range map[string]struct {
		override              ratelimit.Override
		first, second, policy string
		status                int
	}{
		"more":   {ratelimit.Override{Limit: 3}, `"default";r=2;t=20`, `"default";r=1;t=40`, `"default";q=3;w=60`, 200},
		"less":   {ratelimit.Override{Limit: 1, Per: time.Hour}, `"default";r=0;t=3600`, `"default";r=0;t=3600`, `"default";q=1;w=3600`, 429},
		"exempt": {ratelimit.Override{Exempt: true}, "", "", "", 200},
	} {
		r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
			s.limit = ratelimit.Config{Limit: 2, Per: time.Minute}
			s.overrides = map[string]ratelimit.Override{"127.0.0.1": c.override}
			s.route.Key = "{remote_ip}"
			s.route.RateLimitHeaders = true
		})
		first, second := r.get("/"), r.get("/")
		if first.Header.Get("RateLimit") != c.first || second.Header.Get("RateLimit") != c.second || second.Header.Get("RateLimit-Policy") != c.policy || second.StatusCode != c.status {
			t.Errorf("%s: first %v, then %d %v", name, first.Header, second.StatusCode, second.Header)
		}
	}
}

// A reload that leaves an upstream as it is leaves its connections as they are.
func TestConnectionsOutliveAReload(t *testing.T) {
	var dialed atomic.Int64
	up := httptest.NewUnstartedServer(http.HandlerFunc(mirror))
	up.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialed.Add(1)
		}
	}
	up.Start()
	defer up.Close()
	r := newRigTo(t, up.URL, nil)
	use := func(routes ...settings.Route) {
		table, err := r.gateway.Prepare(t.Context(), settings.Gateway{Routes: routes})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.gateway.Use(table, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		route settings.Route
		want  int64
	}{
		{"the first request dials", settings.Route{}, 1},
		{"another path on the way", settings.Route{Match: "/", Upstream: up.URL + "/base"}, 1},
		{"a second route", settings.Route{Match: "/{x}", Upstream: up.URL, IdleTimeout: time.Second}, 1},
		{"other connections", settings.Route{Match: "/", Upstream: strings.Replace(up.URL, "127.0.0.1", "localhost", 1)}, 2},
		{"the old ones were closed", settings.Route{Match: "/", Upstream: up.URL}, 3},
	} {
		if c.route.Match != "" {
			use(c.route, settings.Route{Match: "/more/", Upstream: c.route.Upstream})
		}
		if a := r.get("/x"); a.StatusCode != http.StatusOK || dialed.Load() != c.want {
			t.Errorf("%s: %d, %d connections so far, want %d", c.name, a.StatusCode, dialed.Load(), c.want)
		}
	}
}

func TestPrepareReportsEveryFaultAndChangesNothing(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), nil)
	_, err := r.gateway.Prepare(t.Context(), settings.Gateway{
		TrustedProxies: []string{"ten"},
		Routes: []settings.Route{
			{Match: "/a/", Upstream: "http://127.0.0.1:1"},
			{Match: "/a/", Upstream: "http://127.0.0.1:2"},
			{Match: "/{x}/b", Upstream: "http://127.0.0.1:1"},
			{Match: "/c/{y}", Upstream: "http://127.0.0.1:1"},
			{Match: "/no-url", Upstream: "not a url"},
			{Match: "/no-ca", Upstream: "https://127.0.0.1:1", TLS: &settings.UpstreamTLS{CAFile: "/does/not/exist"}},
		},
	})
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Code() != fault.InvalidConfig || len(f.Problems()) != 5 {
		t.Fatalf("got %v", err)
	}
	for _, field := range []string{"gateway.trusted_proxies", "gateway.routes[1]", "gateway.routes[2]", "gateway.routes[4]", "gateway.routes[5]"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%s is not in %v", field, err)
		}
	}
	if strings.Contains(err.Error(), ".go:") {
		t.Errorf("the reader is shown our source: %v", err)
	}
	if a := r.get("/"); a.StatusCode != http.StatusOK {
		t.Errorf("a refused table took the old one along: %d", a.StatusCode)
	}
}
