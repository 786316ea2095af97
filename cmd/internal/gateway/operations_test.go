package gateway_test

import (
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/telemetry"
)

// A route counts its requests as their clients see them, and what the clients did wrong apart.
func TestRoutes_CountTheirRequests(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/fails":
			w.WriteHeader(http.StatusBadGateway)
		case "/slow-down":
			w.WriteHeader(http.StatusTooManyRequests)
		case "/not-here":
			w.WriteHeader(http.StatusNotFound)
		}
	}), func(s *setup) {
		s.gateway.Routes = []settings.Route{{Match: "/other/", Upstream: "http://127.0.0.1:1"}}
	})
	for _, path := range []string{"/", "/", "/not-here", "/fails", "/slow-down"} {
		resp, err := r.client.Get(r.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	r.server.Close() // which waits until every request is counted
	all := r.gateway.Operations()
	if len(all) != 2 || all[0].Name != "route:/" || all[0].Within[0] != "g" || all[1].Name != "route:/other/" || len(all[1].Within) != 0 {
		t.Fatalf("%+v", all)
	}
	var c telemetry.Calls
	all[0].Read(&c, 0)
	if c.Succeeded != 3 || c.Failed != 1 || c.Ignored != 1 || c.Took.Count() != 3 {
		t.Errorf("%d succeeded, %d failed, %d ignored", c.Succeeded, c.Failed, c.Ignored)
	}
}

// What did not succeed is known by the class of the failure, and by the code of the refusal.
func TestRoutes_SplitWhatDidNotSucceed(t *testing.T) {
	r := newRig(t, http.HandlerFunc(statusUpstream), func(s *setup) { s.limit = ratelimit.Config{Limit: 3, Per: time.Hour} })
	for _, path := range []string{"/503", "/503", "/", "/", "/"} {
		r.get(path)
	}
	r.server.Close()
	var c telemetry.Calls
	s := r.gateway.Operations()[0]
	s.Read(&c, 0)
	got := map[string]uint64{}
	for i, reason := range s.Reasons {
		if c.Reasons[i] > 0 {
			got[reason.Of+" "+reason.Name] = c.Reasons[i]
		}
	}
	if want := (map[string]uint64{"failed status_5xx": 2, "refused rate_limited": 2}); !maps.Equal(got, want) || len(s.Reasons) > telemetry.MaxReasons {
		t.Errorf("%v, want %v; %d reasons", got, want, len(s.Reasons))
	}
}
