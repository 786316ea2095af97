package gateway_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
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
	if c.Succeeded != 3 || c.Failed != 1 || c.Ignored != 1 || c.Refused != 0 || c.Took.Count() != 3 {
		t.Errorf("%d succeeded, %d failed, %d ignored", c.Succeeded, c.Failed, c.Ignored)
	}
}

// What did not succeed is known by the class of the failure, and by the code of the refusal.
func TestRoutes_SplitWhatDidNotSucceed(t *testing.T) {
	r := newRig(t, http.HandlerFunc(statusUpstream), func(s *setup) { s.limit = ratelimit.Config{Limit: 3, Per: time.Hour} })
	for _, path := range []string{"/503", "/503", "/", "/", "/"} {
		r.get(path)
	}
	checkSplit(r, map[string]uint64{"failed status_5xx": 2, "refused rate_limited": 2, "status 2xx": 1, "status 5xx": 2, "status 4xx": 2})
}

// What the gateway itself answers is refused by its word, neutral to the breaker, and all
// numbers add up to the requests.
func TestRoutes_CountTheirOwnAnswersAsRefused(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if req.URL.Path == "/slow-down" {
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}), func(s *setup) { s.gateway.Limits.MaxBody = 1000 })
	r.get("/")
	r.get("/slow-down")
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 1001)), io.MultiReader(strings.NewReader(strings.Repeat("x", 2000)))} { // announced, and not
		if got := r.do(r.request(http.MethodPost, "/", body)); got.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %d", got.StatusCode)
		}
	}
	several := r.request(http.MethodGet, "/", nil)
	several.Header.Set("Connection", "Upgrade")
	several.Header.Set("Upgrade", "a, b")
	if got := r.do(several); got.StatusCode != http.StatusNotImplemented {
		t.Errorf("answered %d", got.StatusCode)
	}
	if c := r.outcomes(3); c.Successes != 1 || c.Failures != 0 || c.Ignored != 2 {
		t.Errorf("the breaker counted %+v", c)
	}
	r.server.Close()
	s := r.gateway.Routes()[0]
	if s.Refused["body_too_large"] != 2 || s.Refused["bad_request"] != 1 || s.MaxBody != 1000 {
		t.Errorf("%+v", s)
	}
	checkSplit(r, map[string]uint64{"refused body_too_large": 2, "refused bad_request": 1, "ignored 4xx": 1, "status 2xx": 1, "status 4xx": 3, "status 5xx": 1})
	var c telemetry.Calls
	source := r.gateway.Operations()[0]
	mark := source.Read(&c, 0)
	if c.Succeeded != 1 || c.Failed != 0 || c.Ignored != 1 || c.Refused != 3 {
		t.Errorf("%d succeeded, %d failed, %d ignored, %d refused", c.Succeeded, c.Failed, c.Ignored, c.Refused)
	}
	if again := source.Read(&c, mark); again != mark {
		t.Errorf("an idle route is read again: mark %d after %d", again, mark)
	}
}

// A request that hangs is under way, and whoever pulls is told so again and again.
func TestOperations_TellWhatIsUnderWay(t *testing.T) {
	began, end := make(chan struct{}), make(chan struct{})
	r := newRig(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(began); <-end }), nil)
	done := make(chan struct{})
	go func() { defer close(done); r.get("/") }()
	r.within("the request arrives", began)
	source := r.gateway.Operations()[0]
	var c telemetry.Calls
	mark := source.Read(&c, 0)
	c.InFlight = 0
	if again := source.Read(&c, mark); c.InFlight != 1 || c.Succeeded != 0 {
		t.Errorf("%d under way, %d succeeded, marks %d and %d", c.InFlight, c.Succeeded, mark, again)
	}
	close(end)
	r.within("the answer", done)
}

// checkSplit compares the reasons by which the requests of the first route are split.
func checkSplit(r *rig, want map[string]uint64) {
	r.Helper()
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
	if !maps.Equal(got, want) || len(s.Reasons) > telemetry.MaxReasons {
		r.Errorf("%v, want %v; %d reasons", got, want, len(s.Reasons))
	}
}
