package healthhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/health"
	"github.com/elixirscope/foundation/health/healthhttp"
)

// serve runs an aggregator in a bubble.
func serve(t *testing.T, parts func(yield func(health.Component)), checks ...health.Check) *health.Aggregator {
	t.Helper()
	a := health.New(health.Options{Parts: parts})
	if err := a.Add(checks...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = a.Serve(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	time.Sleep(time.Second)
	synctest.Wait()
	return a
}

func ask(h http.Handler, path string) (code int, body map[string]any, header http.Header) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	_ = json.Unmarshal(w.Body.Bytes(), &body)
	return w.Code, body, w.Header()
}

func failing(string) func(context.Context) error {
	return func(context.Context) error { return errors.New("10.0.0.7: connection refused") }
}

func TestHandler_AnswersByWhatDecides(t *testing.T) {
	fine := func(context.Context) error { return nil }
	for name, tt := range map[string]struct {
		check    health.Check
		drain    bool
		not      string
		live     int
		ready    int
		startup  int
		whole    int
		wantWord string
	}{
		"well":                {health.Check{Name: "db", Run: fine, Config: health.Config{Readiness: true}}, false, "", 200, 200, 200, 200, "pass"},
		"soft fails":          {health.Check{Name: "db", Run: failing("")}, false, "", 200, 200, 200, 200, "warn"},
		"hard fails":          {health.Check{Name: "db", Run: failing(""), Config: health.Config{Criticality: health.Hard}}, false, "", 200, 200, 200, 503, "fail"},
		"readiness fails":     {health.Check{Name: "db", Run: failing(""), Config: health.Config{Readiness: true}}, false, "", 200, 503, 200, 200, "warn"},
		"liveness fails":      {health.Check{Name: "db", Run: failing(""), Config: health.Config{Liveness: true}}, false, "", 503, 200, 200, 200, "warn"},
		"draining":            {health.Check{Name: "db", Run: fine}, true, "", 200, 503, 200, 200, "pass"},
		"not ready by itself": {health.Check{Name: "db", Run: fine}, false, "no ports", 200, 503, 200, 200, "pass"},
		"not checked in time": {health.Check{Name: "db", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }, Config: health.Config{Readiness: true}}, false, "", 200, 503, 503, 200, "warn"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := serve(t, nil, tt.check)
				if tt.drain {
					a.Drain()
				}
				for _, details := range []bool{false, true} {
					h := healthhttp.Handler(a, healthhttp.Options{Details: details, NotReady: func() string { return tt.not }})
					for path, want := range map[string]int{"/livez": tt.live, "/readyz": tt.ready, "/startupz": tt.startup, "/healthz": tt.whole, "/healthz/none": 404} {
						code, body, header := ask(h, path)
						if code != want {
							t.Errorf("%s: %d, want %d", path, code, want)
						}
						if header.Get("Content-Type") != healthhttp.ContentType || header.Get("Cache-Control") != "no-store" {
							t.Errorf("%s: header %v", path, header)
						}
						if path == "/healthz" && body["status"] != tt.wantWord {
							t.Errorf("%s: %v, want %s", path, body["status"], tt.wantWord)
						}
						if !details && path != "/healthz/none" && len(body) != 1 {
							t.Errorf("%s tells more than the status without details: %v", path, body)
						}
					}
				}
			})
		})
	}
}

func TestHandler_DetailsHaveTheFormOfTheDraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := serve(t, func(yield func(health.Component)) {
			yield(health.Component{Name: "breakers/payments", Status: health.Pass, Groups: []string{"breakers"}})
		}, health.Check{Name: "db", Run: failing(""), Config: health.Config{Criticality: health.Hard, Groups: []string{"shop"}}},
			health.Check{Name: "orders", Run: failing(""), Config: health.Config{DependsOn: []string{"db"}, Groups: []string{"shop"}}})
		h := http.StripPrefix("/internal", healthhttp.Handler(a, healthhttp.Options{Details: true, ServiceID: "shop", Version: "7"}))
		for _, path := range []string{"/internal/healthz", "/internal/healthz/shop"} {
			code, body, _ := ask(h, path)
			checks, _ := body["checks"].(map[string]any)
			orders, _ := checks["orders"].([]any)
			if code != 503 || body["serviceId"] != "shop" || body["version"] != "7" || body["score"] != 30.0 || len(orders) != 1 {
				t.Fatalf("%s: %d %v", path, code, body)
			}
			one, _ := orders[0].(map[string]any)
			if one["status"] != "fail" || one["impacted"] != true || one["observedUnit"] != "s" || one["output"] != "10.0.0.7: connection refused" {
				t.Errorf("%s: orders is %v", path, one)
			}
			if notes, _ := body["notes"].([]any); len(notes) != 1 || notes[0] != "db −70: hard, fail" {
				t.Errorf("%s: notes %v", path, body["notes"])
			}
			if _, has := checks["breakers/payments"]; has != (path == "/internal/healthz") {
				t.Errorf("%s: the parts that it shows: %v", path, checks)
			}
		}
	})
}

func TestAnswers_AreThePathsOfTheHandler(t *testing.T) {
	for path, want := range map[string]bool{"/livez": true, "/readyz": true, "/startupz": true, "/healthz": true, "/healthz/a": true, "/": false, "/metrics": false, "/livezz": false, "/v1/health": false} {
		if healthhttp.Answers(path) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestKind_GoesByTheStatus(t *testing.T) {
	mux := http.NewServeMux()
	for path, code := range map[string]int{"/ok": 200, "/gone": 410, "/broken": 500, "/moved": 302} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://192.0.2.1/")
			w.WriteHeader(code)
			_, _ = w.Write([]byte("\x1b[2Jhostile"))
		})
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	for path, want := range map[string]string{"/ok": "", "/moved": "", "/gone": "410 Gone", "/broken": "500 Internal Server Error"} {
		run, err := healthhttp.Kind(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		err = run(t.Context())
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hostile")) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	server.Close()
	run, err := healthhttp.Kind(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context()); err == nil || strings.Contains(err.Error(), server.URL) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port that is closed: %v", err)
	}
}

func TestKind_RefusesWhatIsNoURL(t *testing.T) {
	for _, target := range []string{"", "db:80", "ftp://x/", "http://", "/ready", "http://user:secret@x/", "http://x/#y", "http://[::1"} {
		if _, err := healthhttp.Kind(target); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", target, err)
		}
	}
}
