package protect_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

// spy is an admitter that sees how calls are described, and refuses them all.
type spy struct{ last guard.Call }

func (s *spy) Refusing() *atomic.Uint32 { return nil }

func (s *spy) Admit(_ context.Context, c guard.Call) *fault.Error {
	s.last = c
	return fault.New(fault.Spec{Code: fault.MemoryPressure})
}

// describe returns the call that a request becomes.
func describe(t *testing.T, r *http.Request, opts ...protect.Option) guard.Call {
	t.Helper()
	s := &spy{}
	w := &plainWriter{header: http.Header{}}
	protect.Handler(answer(200), newGuard(t, guard.Config{Admission: s}), opts...).ServeHTTP(w, r)
	if w.status != http.StatusServiceUnavailable {
		t.Fatalf("the spy was not asked: %d", w.status)
	}
	return s.last
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		about   string
		request *http.Request
		option  protect.Option
		want    string
	}{
		{"IPv4", request("192.0.2.1:4711"), protect.KeyByRemoteIP(), "192.0.2.1"},
		{"IPv6 by its /64", request("[2001:db8:1:2:3:4:5:6]:4711"), protect.KeyByRemoteIP(), "2001:db8:1:2::"},
		{"IPv4 inside IPv6", request("[::ffff:192.0.2.1]:4711"), protect.KeyByRemoteIP(), "192.0.2.1"},
		{"a forwarded address", request("10.0.0.1:80", "192.0.2.9"), protect.KeyByRemoteIP(proxies...), "192.0.2.9"},
		{"a lie", request("192.0.2.1:80", "192.0.2.9"), protect.KeyByRemoteIP(proxies...), "192.0.2.1"},
		{"a unix socket", request("@"), protect.KeyByRemoteIP(netip.MustParsePrefix("10.0.0.0/8")), "@"},
		{"a header", withHeader("X-Api-Key", "k 1"), protect.KeyByHeader("x-api-key"), "k%201"},
		{"no header", request(""), protect.KeyByHeader("x-api-key"), ""},
		{"the host of a server's request", &http.Request{Host: "a.test"}, protect.KeyByHost(), "a.test"},
		{"a host in capitals", &http.Request{Host: "A.test:8080"}, protect.KeyByHost(), "a.test:8080"},
		{"a port that goes without saying", to("https://A.test:443/"), protect.KeyByHost(), "a.test"},
		{"another port", to("http://a.test:443/"), protect.KeyByHost(), "a.test:443"},
		{"IPv6", to("http://[2001:db8::80]:80/"), protect.KeyByHost(), "%5B2001:db8::80%5D"},
		{"one's own", request(""), protect.KeyBy(func(*http.Request) ratelimit.Key { return ratelimit.KeyOf("org", 7) }), "org/7"},
	} {
		k := describe(t, c.request, c.option).Key
		if got := k.Text(); got != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
	}
}

func to(address string) *http.Request {
	return httptest.NewRequest(http.MethodGet, address, http.NoBody)
}

func withHeader(name, value string) *http.Request {
	r := request("")
	r.Header.Set(name, value)
	return r
}

func TestDescriptions(t *testing.T) {
	call := describe(t, request(""), nil, protect.Op("pay"),
		protect.CostBy(func(*http.Request) int64 { return 3 }),
		protect.PriorityBy(func(*http.Request) guard.Priority { return guard.Bulk }))
	if call.Op != "pay" || call.Cost != 3 || call.Priority != guard.Bulk {
		t.Errorf("%+v", call)
	}
	r := request("")
	r = r.WithContext(guard.WithPriority(r.Context(), guard.Normal))
	if got := describe(t, r).Priority; got != guard.Normal {
		t.Errorf("the context's priority arrived as %v", got)
	}
}
