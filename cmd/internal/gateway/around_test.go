package gateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// Whoever writes a name in another way gets to the same route, and not to the
// general one.
func TestAHostIsComparedAsTheDNSDoes(t *testing.T) {
	for pattern, hosts := range map[string][]string{
		"API.example.org/": {
			"api.example.org", "API.EXAMPLE.ORG", "api.example.org.", "Api.Example.Org.:8080", "api.example.org:443", "api.example.org:",
		},
		"[2001:db8::1]/":         {"[2001:db8::1]", "[2001:DB8:0::1]", "[2001:db8::1]:8080"},
		"xn--bcher-kva.example/": {"xn--bcher-kva.example", "XN--BCHER-KVA.example."},
		"127.0.0.1/":             {"127.0.0.1", "127.0.0.1:80"},
	} {
		r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
			s.gateway.Routes = []settings.Route{{Match: "/", Upstream: s.route.Upstream}}
			s.route.Match, s.route.PreserveHost, s.route.Upstream = pattern, true, s.route.Upstream+"/strict"
		})
		for _, host := range hosts {
			_, m := r.mirrored(r.toHost(host))
			if m.URI != "/strict/" {
				t.Errorf("%s: %s took another route", pattern, host)
			}
			if m.Host != strings.ToLower(m.Host) || strings.HasSuffix(m.Host, ".") || strings.Contains(m.Host, ".:") || m.Header.Get("X-Forwarded-Host") != m.Host {
				t.Errorf("%s: the upstream saw %s and %s", host, m.Host, m.Header.Get("X-Forwarded-Host"))
			}
		}
		for _, host := range []string{"other.example.org", "api.example.org.evil.example", "", "[::1]", "api.example.org:80:80"} {
			conn, answers := r.raw("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
			r.status(answers)
			_ = conn.Close()
		}
		if c := r.outcomes(0); c.Successes > uint64(len(hosts)) {
			t.Errorf("%s: other hosts came as well: %+v", pattern, c)
		}
	}
}

func (r *rig) toHost(host string) *http.Request {
	req := r.request(http.MethodGet, "/", nil)
	req.Host = host
	return req
}

func TestAHostInAnAbsoluteTargetOrInHTTP2IsTheSame(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.Match = "api.example.org/" })
	_, answers := r.raw("GET http://API.example.org.:80/ HTTP/1.1\r\nHost: x\r\n\r\n")
	if code := r.status(answers); code != http.StatusOK {
		t.Errorf("absolute: %d", code)
	}
	resp, err := r.http2().Do(r.toHost("API.example.org."))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, _ = io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK {
		t.Errorf("HTTP/2: %d", resp.StatusCode)
	}
}

func TestAKeyByHostHasOneForm(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
		s.route.Key, s.limit = "{header:host}", ratelimit.Config{Limit: 1, Per: time.Hour}
	})
	for host, want := range map[string]int{"a.example": 200, "b.example:1": 200} {
		if got := r.do(r.toHost(host)); got.StatusCode != want {
			t.Errorf("%s: %d", host, got.StatusCode)
		}
	}
	for _, host := range []string{"A.example", "a.example.", "a.example:7", "B.EXAMPLE.:9"} {
		if got := r.do(r.toHost(host)); got.StatusCode != http.StatusTooManyRequests {
			t.Errorf("%s: %d", host, got.StatusCode)
		}
	}
}

func TestRoutesWhoseHostsAreTheSameConflict(t *testing.T) {
	g := newRig(t, http.NotFoundHandler(), nil).gateway
	route := func(match string) settings.Route { return settings.Route{Match: match, Upstream: "http://127.0.0.1:1"} }
	for _, match := range []string{"API.example.org./x", "api.example.org:80/y"} {
		if _, err := g.Prepare(t.Context(), settings.Gateway{Routes: []settings.Route{route("api.example.org/x"), route(match)}}); err == nil {
			t.Errorf("%s was taken", match)
		}
	}
}

// "get" is another method than GET, and passes the routes of no method.
func TestAMethodInLowerCaseReachesNoUpstream(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), nil)
	for _, method := range []string{"get", "Get", "pOST", "connect"} {
		conn, answers := r.raw(method + " / HTTP/1.1\r\nHost: x\r\n\r\n")
		if code := r.status(answers); code != http.StatusNotImplemented {
			t.Errorf("%s: answered %d", method, code)
		}
		_ = conn.Close()
	}
	for _, method := range []string{"PROPFIND", "M-SEARCH", "X1"} {
		if _, m := r.mirrored(r.request(method, "/", nil)); m.Method != method {
			t.Errorf("%s went on as %s", method, m.Method)
		}
	}
	if c := r.outcomes(3); c.Successes != 3 {
		t.Errorf("counted %+v", c)
	}
}

func TestARedirectToACleanPathIsEncodedOnce(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) { s.route.Match = "/tree/" })
	for target, want := range map[string]string{
		"//tree/a%2Fb":              "/tree/a%2Fb",
		"/tree//a%20b/?q=%20&x=a;b": "/tree/a%20b/?q=%20&x=a;b",
		"/tree":                     "/tree/",
		"/tree?x=1":                 "/tree/?x=1",
		"//tree":                    "/tree/",
		"/x/../tree/%C3%BC":         "/tree/%C3%BC",
		"/tree/%25//":               "/tree/%25/",
		"//evil.example/../tree/":   "/tree/",
	} {
		conn, answers := r.raw("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusTemporaryRedirect || got != want {
			t.Errorf("%s: %d to %s, want %s", target, resp.StatusCode, got, want)
		}
		_ = resp.Body.Close()
		_ = conn.Close()
	}
}

// docs/gateway.md says so: whoever guards one path guards that path.
func TestAnExactPathMatchesNothingElse(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
		s.route.Match = "/login"
		s.gateway.Routes = []settings.Route{{Match: "/", Upstream: s.route.Upstream}}
	})
	if r.get("/login"); r.outcomes(1).Successes != 1 {
		t.Error("/login is not guarded")
	}
	if r.get("/%6cogin"); r.outcomes(2).Successes != 2 {
		t.Error("/%6cogin is not guarded")
	}
	for _, path := range []string{"/login/", "/LOGIN", "/login;x", "/login%2F", "/login%00", "/login."} {
		if code := r.get(path).StatusCode; code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	for _, path := range []string{"//login", "/./login", "/x/../login"} {
		_, answers := r.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if code := r.status(answers); code != http.StatusTemporaryRedirect {
			t.Errorf("%s: %d", path, code)
		}
	}
	if c := r.breaker.Status().Totals; c.Successes != 2 {
		t.Errorf("counted %+v", c)
	}
}

// docs/security.md rests on it: net/http has settled where a request ends before we
// see it, and each of them is written anew for the upstream. What a client hides
// behind the end that we see is a request of its own here, with route and guard.
func TestARequestWithTwoLengthsIsForwardedWithOne(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"uri": r.RequestURI, "body": string(body), "te": r.TransferEncoding, "length": r.ContentLength, "header": r.Header["Content-Length"], "whole": err == nil,
		})
	}), func(s *setup) { s.guard = guard.Config{} })
	type seen struct {
		URI, Body string
		TE        []string
		Length    int64
		Header    []string
		Whole     bool
	}
	for text, want := range map[string][]seen{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: x\r\n\r\n": {
			{URI: "/", Body: "abc", TE: []string{"chunked"}, Length: -1, Whole: true}, {URI: "/hidden", Whole: true},
		},
		"POST / HTTP/1.0\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc": {
			{URI: "/", Body: "abc", Length: 3, Header: []string{"3"}, Whole: true},
		},
	} {
		_, answers := r.raw(text)
		for _, w := range want {
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got seen
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if a, b := asJSON(got), asJSON(w); a != b {
				t.Errorf("%q\n got %s\nwant %s", text, a, b)
			}
		}
	}
	for _, text := range []string{
		"Content-Length: 3\r\nContent-Length: 4\r\n", "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: xchunked\r\n",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "Content-Length: +3\r\n", "Transfer-Encoding : chunked\r\n", "Transfer-Encoding: \x0bchunked\r\n",
	} {
		_, answers := r.raw("POST / HTTP/1.1\r\nHost: x\r\n" + text + "\r\nabc")
		if code := r.status(answers); code != http.StatusBadRequest && code != http.StatusNotImplemented {
			t.Errorf("%q: %d", text, code)
		}
		if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%q: the connection stays open: %v", text, err)
		}
	}
	if c := r.outcomes(3); c.Successes != 3 {
		t.Errorf("counted %+v", c)
	}
}

func asJSON(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

// Nothing waited, so that of a crowd of requests one was admitted.
func TestALeakyBucketOnARouteShapes(t *testing.T) {
	r := newRig(t, http.HandlerFunc(mirror), func(s *setup) {
		s.limit = ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 1000, Per: time.Second, Burst: 100}
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			resp, err := r.client.Do(r.request(http.MethodGet, "/", nil))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if _, _ = io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK {
				t.Errorf("answered %d", resp.StatusCode)
			}
		})
	}
	wg.Wait()
	if c := r.outcomes(20); c.Successes != 20 {
		t.Errorf("counted %+v", c)
	}
}
