package gateway_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
)

// Each of these used to count as a failure of the upstream, which was never asked:
// five of them opened the breaker for everybody.
func TestAFaultOfTheRequestReachesNeitherTheGuardNorTheUpstream_OverHTTP1(t *testing.T) {
	upgrade := func(protocol string) string {
		return "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"
	}
	trailer := func(names string) string {
		return "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: " + names + "\r\n\r\n0\r\n\r\n"
	}
	for _, c := range []struct {
		name, request string
		upstreams     []string
		want          int
	}{
		{"an upgrade outside ASCII", upgrade("\x80"), everyUpstream, 400},
		{"an upgrade with a tab", upgrade("a\tb"), everyUpstream, 400},
		{"an upgrade with a space", upgrade("a b"), everyUpstream, 400},
		{"an upgrade to one of several protocols", upgrade("websocket, x"), everyUpstream, 501},
		{"an upgrade that is spread over fields", upgrade("websocket\r\nUpgrade: x"), everyUpstream, 501},
		{"an upgrade with nothing after the comma", upgrade("websocket,"), everyUpstream, 400},
		{"an upgrade with an empty version", upgrade("x/"), everyUpstream, 400},
		{"a trailer with a space", trailer("X A"), everyUpstream, 400},
		{"a trailer with a colon", trailer("X:A"), everyUpstream, 400},
		{"a trailer outside ASCII", trailer("X-\xc3\xa9"), everyUpstream, 400},
		{"a second trailer with a space", trailer("X-Sum, X A"), everyUpstream, 400},
		{"a host outside ASCII", "GET http://a%80b/ HTTP/1.1\r\nHost: x\r\n\r\n", everyUpstream, 400},
		{"an upgrade to an upstream without", upgrade("echo"), []string{overH2C}, 501},
		{"a WebSocket to an upstream without", webSocket, []string{overH2C}, 501},
	} {
		for _, over := range c.upstreams {
			t.Run(c.name+" to "+over, func(t *testing.T) {
				r, asked := untouched(t, over)
				_, answers := r.raw(c.request)
				if code := r.status(answers); code != c.want {
					t.Errorf("answered %d, want %d", code, c.want)
				}
				r.wasLeftAlone(asked)
			})
		}
	}
}

const webSocket = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

var everyUpstream = []string{overHTTP1, overH2C, overTLS, overTLSHTTP2, overTLSStrict}

func TestAFaultOfTheRequestReachesNeitherTheGuardNorTheUpstream_OverHTTP2(t *testing.T) {
	for _, c := range []struct {
		name   string
		fields []string
		want   int
	}{
		{"a method with a space", []string{":method", "A B"}, 400},
		{"a method outside ASCII", []string{":method", "G\x80T"}, 400},
		{"a method that is a line", []string{":method", "GET / HTTP/1.1"}, 400},
		{"a trailer with a space", []string{"trailer", "x a"}, 400},
		{"a trailer with a colon", []string{"trailer", "x:a"}, 400},
		{"a host with a space", []string{":authority", "a b"}, 400},
		{"a host outside ASCII", []string{":authority", "\xff.example.org"}, 400},
		{"a host with a path", []string{":authority", "a/b"}, 400},
		{"a query with a space", []string{":path", "/?a HTTP/1.1"}, 400},
	} {
		for _, over := range everyUpstream {
			t.Run(c.name+" to "+over, func(t *testing.T) {
				r, asked := untouched(t, over)
				f := r.frames()
				f.send(1, true, c.fields...)
				if code := f.status(1); code != c.want {
					t.Errorf("answered %d, want %d", code, c.want)
				}
				r.wasLeftAlone(asked)
			})
		}
	}
}

// untouched is a rig whose upstream counts what it is asked. It keeps the client's
// host, so that one that is not valid would go on.
func untouched(t *testing.T, over string) (*rig, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	url, change := upstreamOver(t, over, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	return newRigTo(t, url, func(s *setup) {
		change(s)
		s.route.PreserveHost = true
	}), &asked
}

// wasLeftAlone asks once more, and finds that the upstream and the guard know of
// nothing else.
func (r *rig) wasLeftAlone(asked *atomic.Int64) {
	r.Helper()
	if got := r.get("/"); got.StatusCode != http.StatusOK {
		r.Errorf("afterwards: %d %s", got.StatusCode, got.body)
	}
	r.server.Close() // waits for what is still to be settled
	if c := r.outcomes(1); c != (breaker.Counts{Successes: 1}) || asked.Load() != 1 {
		r.Errorf("counted %+v, the upstream was asked %d times", c, asked.Load())
	}
}

// Over TLS it shows with the first attempt whether an upstream has HTTP/1.1 at all.
func TestAnUpgradeOverTLS(t *testing.T) {
	for over, want := range map[string]int{overTLS: 101, overTLSHTTP2: 501, overTLSStrict: 501} {
		for _, protocol := range []string{"echo", "websocket", "x/1"} {
			t.Run(protocol+" to "+over, func(t *testing.T) {
				url, change := upstreamOver(t, over, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.Header.Get("Upgrade") != "" {
						switchTo(w, r.Header.Get("Upgrade"))
					}
				}))
				r := newRigTo(t, url, change)
				if got := r.get("/"); got.StatusCode != http.StatusOK {
					t.Fatalf("%d %s", got.StatusCode, got.body)
				}
				_, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n")
				resp, err := http.ReadResponse(answers, nil)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != want {
					t.Errorf("answered %d, want %d", resp.StatusCode, want)
				}
				if c := r.outcomes(2); c.Failures != 0 {
					t.Errorf("counted %+v", c)
				}
			})
		}
	}
}

// switchTo changes to protocol and hangs up.
func switchTo(w http.ResponseWriter, protocol string) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", protocol)
	w.WriteHeader(http.StatusSwitchingProtocols)
	if conn, rw, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = rw.Flush()
		_ = conn.Close()
	}
}

func TestAnUpstreamThatChangesToAnotherProtocolIsNotToBlame(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { switchTo(w, "websocket") }), nil)
	_, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket/13\r\n\r\n")
	if code := r.status(answers); code != http.StatusNotImplemented {
		t.Errorf("answered %d", code)
	}
	if c := r.outcomes(1); c.Ignored != 1 {
		t.Errorf("counted %+v", c)
	}
}

// An offer that the Connection field does not name, or that comes in HTTP/1.0, is
// none, and ends at the proxy as all such fields do.
func TestAnUpgradeThatIsNoneIsIgnored(t *testing.T) {
	for _, request := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: \x80\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\r\n",
		"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		for _, over := range []string{overHTTP1, overH2C} {
			r, asked := untouched(t, over)
			_, answers := r.raw(request)
			if code := r.status(answers); code != http.StatusOK || asked.Load() != 1 {
				t.Errorf("%q to %s: answered %d, the upstream was asked %d times", request, over, code, asked.Load())
			}
		}
	}
}

// How much an upstream over HTTP/2 takes is known to the transport only.
func TestAHeaderThatIsTooLargeForTheUpstreamIsTheClientsFault(t *testing.T) {
	large := "X-Large: " + strings.Repeat("x", 16<<10) + "\r\n"
	many := strings.Repeat("X-Many: x\r\n", 2000)
	for name, header := range map[string]string{"large": large, "many": many} {
		for _, over := range []string{overHTTP1, overH2C, overTLS} {
			t.Run(name+" to "+over, func(t *testing.T) {
				var asked atomic.Int64
				url, change := upstreamOver(t, over, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
				r := newRigTo(t, url, change)
				r.get("/") // and the settings of HTTP/2 are here
				_, answers := r.raw("GET / HTTP/1.1\r\nHost: x\r\n" + header + "\r\n")
				if code := r.status(answers); code != http.StatusRequestHeaderFieldsTooLarge {
					t.Errorf("answered %d", code)
				}
				r.server.Close()
				if c := r.outcomes(2); c.Failures != 0 || asked.Load() != 1 {
					t.Errorf("counted %+v, the upstream was asked %d times", c, asked.Load())
				}
			})
		}
	}
}

// A client that has the probe of a half-open breaker must not decide with a bad
// request whether others are served.
func TestAFaultOfTheRequestDoesNotDecideAProbe(t *testing.T) {
	var down atomic.Bool
	url, change := upstreamOver(t, overH2C, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	r := newRigTo(t, url, change)
	const cooldown = 50 * time.Millisecond
	if err := r.breaker.Reconfigure(breaker.Config{FailureThreshold: 1, Cooldown: cooldown}); err != nil {
		t.Fatal(err)
	}
	r.get("/")
	down.Store(true)
	r.get("/")
	r.eventually("the opening", func() bool { return r.breaker.State() == breaker.StateOpen })
	down.Store(false)
	<-time.NewTimer(2 * cooldown).C
	for _, request := range []string{
		webSocket, "GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + strings.Repeat("x", 16<<10) + "\r\n\r\n",
	} {
		_, answers := r.raw(request)
		if code := r.status(answers); code == http.StatusServiceUnavailable || code < 400 {
			t.Errorf("answered %d", code)
		}
	}
	r.eventually("the end of the probe", func() bool { return r.breaker.Status().ProbesInFlight == 0 })
	if s := r.breaker.Status(); s.State == breaker.StateClosed || s.Totals.Failures != 1 {
		t.Errorf("the breaker is %v, counted %+v", s.State, s.Totals)
	}
	if got := r.get("/"); got.StatusCode != http.StatusOK || r.breaker.State() != breaker.StateClosed {
		t.Errorf("an honest client got %d, the breaker is %v", got.StatusCode, r.breaker.State())
	}
}
