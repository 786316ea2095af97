package gateway_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/gateway"
	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
)

// statusUpstream answers with the status that the path names, after it has read the body.
func statusUpstream(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch r.URL.Path {
	case "/304":
		w.WriteHeader(http.StatusNotModified)
	case "/404":
		w.WriteHeader(http.StatusNotFound)
	case "/503":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/501":
		w.WriteHeader(http.StatusNotImplemented)
	default:
		_, _ = io.WriteString(w, "0123456789")
	}
}

// route is what the gateway knows of its first route once every request is counted.
func (r *rig) route() gateway.RouteStatus {
	r.Helper()
	r.server.Close()
	return r.gateway.Routes()[0]
}

func TestRoutes_CountByStatusWithBytesAndDurations(t *testing.T) {
	r := newRig(t, http.HandlerFunc(statusUpstream), func(s *setup) { s.route.Name = "pay" })
	for _, path := range []string{"/", "/", "/304", "/404", "/501", "/503"} {
		r.get(path)
	}
	r.do(r.request(http.MethodPost, "/", strings.NewReader("abcde")))
	got := r.route()
	if got.Name != "pay" || got.Match != "/" || got.Guard != "g" || "http://"+got.Upstream != r.config.Routes[0].Upstream || got.InFlight != 0 {
		t.Errorf("%+v", got)
	}
	if want := (map[string]uint64{"1xx": 0, "2xx": 3, "3xx": 1, "4xx": 1, "5xx": 2, "canceled": 0}); !maps.Equal(got.Requests, want) {
		t.Errorf("requests %v, want %v", got.Requests, want)
	}
	if got.BytesIn != 5 || got.BytesOut != 30 {
		t.Errorf("%d bytes in, %d out", got.BytesIn, got.BytesOut)
	}
	if n := got.Durations().Count(); n != 7 {
		t.Errorf("%d durations of 7 requests", n)
	}
	if len(got.Failures) != 1 || got.Failures[0].Class != "status_5xx" || got.Failures[0].Count != 1 || got.Failures[0].Reason != "the answer has status 503" || got.Failures[0].Last.IsZero() {
		t.Errorf("failures %+v", got.Failures)
	}
}

func TestRoutes_CountRefusalsByCode(t *testing.T) {
	r := newRig(t, http.HandlerFunc(statusUpstream), func(s *setup) { s.limit = ratelimit.Config{Limit: 1} })
	r.get("/")
	r.get("/")
	got := r.route()
	if got.Refused["rate_limited"] != 1 || got.Requests["2xx"] != 1 || got.Requests["4xx"] != 1 || len(got.Failures) != 0 {
		t.Errorf("%+v", got)
	}
	for _, code := range []string{"circuit_open", "concurrency_limited", "in_flight_limited", "memory_pressure", "unavailable"} {
		if n, ok := got.Refused[code]; n != 0 || !ok {
			t.Errorf("%s: %d, %v", code, n, ok)
		}
	}
}

// A client that leaves while it waits, and while a request is in flight.
func TestRoutes_CountClientsThatLeaveApart(t *testing.T) {
	here := make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(here)
		<-r.Context().Done()
	}), nil)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := r.client.Do(r.request(http.MethodGet, "/", nil).WithContext(ctx)); err == nil {
			_ = resp.Body.Close()
		}
	}()
	<-here
	if n := r.gateway.Routes()[0].InFlight; n != 1 {
		t.Errorf("%d in flight", n)
	}
	leave()
	<-done
	got := r.route()
	if got.InFlight != 0 || got.Requests["canceled"] != 1 || got.Requests["4xx"] != 0 || len(got.Failures) != 0 || got.Refused["canceled"] != 0 {
		t.Errorf("%+v", got)
	}
}

// What a route has counted is its name's, whatever becomes of its match.
func TestRoutes_KeepTheirCountsOverReloadsByName(t *testing.T) {
	r := newRig(t, http.HandlerFunc(statusUpstream), func(s *setup) { s.route.Name = "pay" })
	r.get("/")
	r.outcomes(1)
	use := func(routes ...settings.Route) []gateway.RouteStatus {
		for i := range routes {
			routes[i].Upstream = r.config.Routes[0].Upstream
		}
		table, err := r.gateway.Prepare(t.Context(), settings.Gateway{Routes: routes})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.gateway.Use(table, func(string) (*guard.Guard, error) { return r.guard, nil }); err != nil {
			t.Fatal(err)
		}
		return r.gateway.Routes()
	}
	r.client.CloseIdleConnections()
	use(settings.Route{Match: "/new/"}, settings.Route{Name: "pay", Match: "/pay/"})
	r.server.Close() // the request is counted, whichever table it began with
	got := r.gateway.Routes()
	if got[0].Requests["2xx"] != 0 || got[1].Name != "pay" || got[1].Requests["2xx"] != 1 {
		t.Errorf("%+v", got)
	}
	if got = use(settings.Route{Match: "/pay/"}); got[0].Name != "/pay/" || got[0].Requests["2xx"] != 0 {
		t.Errorf("another name has the counts: %+v", got)
	}
}
