package admin

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/telemetry"
)

func TestCheckListen_RefusesWhatOthersReachWithoutProofOfIdentity(t *testing.T) {
	open, guarded := Access{}, Access{Tokens: map[string]Token{"ops": {Secret: "0123456789abcdef"}}}
	for _, c := range []struct {
		address string
		want    bool // without tokens
	}{
		{"127.0.0.1:9181", true},
		{"[::1]:9181", true},
		{"localhost:9181", true},
		{"LocalHost:9181", true},
		{"127.9.9.9:1", true},
		{"[::ffff:127.0.0.1]:1", true},
		{":9181", false},
		{"0.0.0.0:9181", false},
		{"[::]:9181", false},
		{"10.0.0.1:9181", false},
		{"example.org:9181", false},
		{"nonsense", false},
	} {
		if err := open.CheckListen(c.address); (err == nil) != c.want {
			t.Errorf("%s without tokens: %v", c.address, err)
		}
		if err := guarded.CheckListen(c.address); err != nil {
			t.Errorf("%s with tokens: %v", c.address, err)
		}
	}
	if err := (Access{ClientCertificates: true}).CheckListen(":9181"); err != nil {
		t.Errorf("client certificates are proof enough: %v", err)
	}
}

// arrivingAt is r as a server hands it on that listens at the address.
func arrivingAt(r *http.Request, at net.Addr) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, at))
}

// A handler does not know its listener: what nobody has to prove anything for is answered
// only where nobody else can reach it.
func TestAccess_WithoutProofOfIdentityOnlyThisMachineIsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		at   net.Addr
		want int
	}{
		"a loopback address":      {&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, 200},
		"that of IPv6":            {&net.TCPAddr{IP: net.IPv6loopback}, 200},
		"a Unix socket":           {&net.UnixAddr{Name: "/run/x", Net: "unix"}, 200},
		"an address of a network": {&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, 403},
		"an unknown address":      {nil, 403},
	} {
		h := Access{}.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), newAuthFailures(slog.New(slog.DiscardHandler)))
		r, w := httptest.NewRequest(http.MethodGet, "/v1/status", nil), httptest.NewRecorder()
		r.Host = "127.0.0.1"
		if c.at != nil {
			r = arrivingAt(r, c.at)
		}
		if h.ServeHTTP(w, r); w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

// A proxy on this machine is not the one who asks, and a page of another site must not make this
// machine work.
func TestAccess_WithoutProofOfIdentityNoProxyAndNoOtherSiteIsAnswered(t *testing.T) {
	h := Access{}.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), newAuthFailures(slog.New(slog.DiscardHandler)))
	for field, value := range map[string]string{"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9", "Via": "1.1 proxy", "Sec-Fetch-Site": "cross-site"} {
		r, w := arrivingAt(httptest.NewRequest(http.MethodGet, "http://127.0.0.1/debug/pprof/heap", nil), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}), httptest.NewRecorder()
		r.Header.Set(field, value)
		if h.ServeHTTP(w, r); w.Code != http.StatusForbidden {
			t.Errorf("%s: %s: %d", field, value, w.Code)
		}
	}
}

// What a client sends as its key stands in a command that an operator pastes.
func TestQuoted_NothingGetsOutOfAWord(t *testing.T) {
	for text, want := range map[string]string{
		"checkout": "checkout", "/pay/": "/pay/", "10.0.0.1": "10.0.0.1", "2001:db8::/64": "2001:db8::/64", "": "''",
		"x&id": "'x&id'", "$(id)": "'$(id)'", "`id`": "'`id`'", `a"b`: `'a"b'`, "a'b;id": `'a'\''b;id'`, "a b": "'a b'", "a\nb": "'a\nb'", "é": "'é'",
	} {
		if got := quoted(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// A program may have proof of identity of its own, and serve the API under a public name.
func TestAccess_AuthenticateDecidesAlone(t *testing.T) {
	access := Access{
		Tokens: map[string]Token{"ops": {Secret: testSecret, Write: true}},
		Authenticate: func(r *http.Request) (string, bool, bool) {
			return r.Header.Get("X-User"), r.Header.Get("X-User") == "root", r.Header.Get("X-User") != ""
		},
	}
	for user, want := range map[string]struct{ get, post int }{"root": {200, 200}, "eve": {200, 403}, "": {401, 401}} {
		var actor string
		h := access.protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { actor = actorOf(r.Context()) }), newAuthFailures(slog.New(slog.DiscardHandler)))
		for method, code := range map[string]int{http.MethodGet: want.get, http.MethodPost: want.post} {
			r, w := httptest.NewRequest(method, "https://shop.example.org/v1/status", nil), httptest.NewRecorder()
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-User", user)
			r.Header.Set("Authorization", "Bearer "+testSecret)
			if h.ServeHTTP(w, r); w.Code != code || code == 200 && actor != user {
				t.Errorf("%q, %s: %d by %q, want %d", user, method, w.Code, actor, code)
			}
		}
	}
}

const testSecret = "correct-horse-battery-staple"

// TestScenario109_ForgedRequestsAreRefused: without the token, from another
// origin, or with a forged Host.
func TestScenario109_ForgedRequestsAreRefused(t *testing.T) {
	guarded := Access{
		Tokens: map[string]Token{"ops": {Secret: testSecret, Write: true}, "viewer": {Secret: "only-looks-at-things"}},
		Hosts:  []string{"admin.example.org"},
	}
	for _, c := range []struct {
		name     string
		security Access
		method   string
		host     string
		header   map[string]string
		want     int
	}{
		{"loopback without tokens", Access{}, "GET", "127.0.0.1:9181", nil, 200},
		{"by IPv6 address", Access{}, "GET", "[::1]:9181", nil, 200},
		{"by the name localhost", Access{}, "GET", "LOCALHOST:9181", nil, 200},
		{"by a rebound name", Access{}, "GET", "attacker.example", nil, 403},
		{"by a rebound name that looks local", Access{}, "GET", "localhost.attacker.example:9181", nil, 403},
		{"by no name", Access{}, "GET", "", nil, 403},
		{"by an allowed name", guarded, "GET", "admin.example.org", map[string]string{"Authorization": "Bearer " + testSecret}, 200},
		{"without the token", guarded, "GET", "127.0.0.1", nil, 401},
		{"by an allowed name in another case", guarded, "GET", "Admin.Example.ORG:9181", map[string]string{"Authorization": "Bearer " + testSecret}, 200},
		{"by an allowed name with the root's dot", guarded, "GET", "admin.example.org.", map[string]string{"Authorization": "Bearer " + testSecret}, 200},
		{"by a name that was configured in capitals", Access{Hosts: []string{"Admin.Example.ORG."}}, "GET", "admin.example.org", nil, 200},
		{"by a name below an allowed one", guarded, "GET", "x.admin.example.org", map[string]string{"Authorization": "Bearer " + testSecret}, 403},
		{"with the scheme in small letters", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": "bearer " + testSecret}, 200},
		{"with the scheme in capitals and two spaces", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": "BEARER  " + testSecret}, 200},
		{"with a scheme that only begins so", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": "Bearers " + testSecret}, 401},
		{"with a wrong token", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": "Bearer wrong"}, 401},
		{"with an empty token", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": "Bearer "}, 401},
		{"with the token as basic auth", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": "Basic " + testSecret}, 401},
		{"with the bare token", guarded, "GET", "127.0.0.1", map[string]string{"Authorization": testSecret}, 401},
		{"a change as JSON", guarded, "POST", "127.0.0.1", map[string]string{"Authorization": "Bearer " + testSecret, "Content-Type": "application/json; charset=utf-8"}, 200},
		{"a change by who may only look", guarded, "POST", "127.0.0.1", map[string]string{"Authorization": "Bearer only-looks-at-things", "Content-Type": "application/json"}, 403},
		{"a change as a form", Access{}, "POST", "127.0.0.1", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 403},
		{"a change as text", Access{}, "PUT", "127.0.0.1", map[string]string{"Content-Type": "text/plain"}, 403},
		{"a change without a type", Access{}, "DELETE", "127.0.0.1", nil, 403},
		{"a change from another site", Access{}, "POST", "127.0.0.1", map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403},
		{"a change from another origin", Access{}, "POST", "127.0.0.1", map[string]string{"Content-Type": "application/json", "Origin": "https://attacker.example"}, 403},
		{"a change from the same origin", Access{}, "POST", "127.0.0.1:9181", map[string]string{"Content-Type": "application/json", "Origin": "http://127.0.0.1:9181"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached := false
			h := c.security.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }), newAuthFailures(slog.New(slog.DiscardHandler)))
			r := arrivingAt(httptest.NewRequest(c.method, "/v1/status", strings.NewReader("{}")), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			r.Host = c.host
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.want || reached != (c.want == 200) {
				t.Errorf("status %d, reached %v, want %d\n%s", w.Code, reached, c.want, w.Body)
			}
			if w.Code != 200 && w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("content type %q", w.Header().Get("Content-Type"))
			}
			if strings.Contains(w.Body.String(), testSecret) {
				t.Error("the answer contains the secret")
			}
		})
	}
}

func TestActorIsWhoseTokenItWas(t *testing.T) {
	s := Access{Tokens: map[string]Token{"ops": {Secret: testSecret, Write: true}, "ci": {Secret: "another-long-secret", Write: true}}}
	var actor string
	h := s.protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { actor = actorOf(r.Context()) }), newAuthFailures(slog.New(slog.DiscardHandler)))
	r := httptest.NewRequest(http.MethodGet, "/v1/status", http.NoBody)
	r.Host = "127.0.0.1"
	r.Header.Set("Authorization", "Bearer another-long-secret")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if actor != "ci" {
		t.Errorf("the actor is %q", actor)
	}
}

// TestAuthFailures_AreLoggedCountedAndSlowed, and whoever holds a valid token is not
// slowed, wherever the failures come from.
func TestAuthFailures_AreLoggedCountedAndSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		failures := newAuthFailures(slog.New(slog.NewTextHandler(&log, nil)))
		s := Access{Tokens: map[string]Token{"ops": {Secret: testSecret, Write: true}}}
		h := s.protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), failures)
		ask := func(remote, authorization string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodGet, "/v1/status", http.NoBody)
			r.Host, r.RemoteAddr = "127.0.0.1", remote
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		const attacker, other, wrong, right = "192.0.2.1:1000", "192.0.2.2:1000", "Bearer wrong-wrong-wrong", "Bearer " + testSecret
		for i := range 200 {
			want := http.StatusUnauthorized
			if i >= authTries {
				want = http.StatusTooManyRequests
			}
			w := ask(attacker, wrong)
			if w.Code != want {
				t.Fatalf("failure %d: %d, want %d", i, w.Code, want)
			}
			seconds, err := strconv.Atoi(w.Header().Get("Retry-After"))
			if slowed := want == http.StatusTooManyRequests; slowed != (err == nil && seconds > 0 && w.Header().Get("Connection") == "close") {
				t.Fatalf("failure %d: %v", i, w.Header())
			}
		}
		for remote, authorization := range map[string]string{attacker: right, other: right} {
			if w := ask(remote, authorization); w.Code != http.StatusOK {
				t.Errorf("a valid token from %s: %d", remote, w.Code)
			}
		}
		if w := ask(other, ""); w.Code != http.StatusUnauthorized {
			t.Errorf("another address pays for the attacker: %d", w.Code)
		}
		time.Sleep(authPer / authTries)
		if w := ask(attacker, wrong); w.Code != http.StatusUnauthorized {
			t.Errorf("after the time that it was told: %d", w.Code)
		}
		if got := strings.Count(log.String(), "authentication failed"); got != 2 {
			t.Errorf("%d lines for %s", got, log.String())
		}
		if !strings.Contains(log.String(), "remote="+attacker) || !strings.Contains(log.String(), "omitted=200") || strings.Contains(log.String(), "wrong-wrong") {
			t.Error(log.String())
		}
		counts := map[string]float64{}
		failures.collect(func(s telemetry.Sample) { counts[s.Labels[0]] = s.Value })
		if counts["invalid"] != 201 || counts["missing"] != 1 {
			t.Errorf("counted %v", counts)
		}
	})
}
