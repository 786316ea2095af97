package admin_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// A program that mounts the API has the same explanations as the daemon: what is wrong, since
// when, and what was changed before it.
func TestWhy_ToldByTheAPIOfALibrary(t *testing.T) {
	r := newRigOn(t, &config.Storage{})
	if code := r.ask(http.MethodPost, "/v1/events", `{"type": "deploy.finished", "name": "shop", "data": {"version": "1.2.3"}}`, nil); code != http.StatusOK {
		t.Fatal(code)
	}
	b, err := r.layer.Breaker("payments")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = b.Do(t.Context(), func(context.Context) error { return errors.New("on purpose") })
	}
	var w adminapi.Why
	if code := r.ask(http.MethodGet, "/v1/why/payments", "", &w); code != http.StatusOK {
		t.Fatal(code)
	}
	if w.Kind != "breaker" || w.Well || !strings.HasPrefix(w.Verdict, "breaker payments is open for 0s: began ") || !strings.Contains(w.Verdict, "with 2 failures within 10s (*errors.errorString)") {
		t.Errorf("%+v", w)
	}
	if time.Since(w.Since) > time.Minute || len(w.Errors) != 1 || w.Errors[0].Count != 2 || len(w.Parts) != 1 || w.Parts[0].Name != "checkout" || len(w.Try) == 0 {
		t.Errorf("%+v", w)
	}
	var what []string
	for _, b := range w.Before {
		what = append(what, b.What+" "+b.Text)
	}
	if all := strings.Join(what, "\n"); !strings.Contains(all, "annotation deploy.finished shop: version 1.2.3") || !strings.Contains(all, "start the program began to run") {
		t.Errorf("before: %q, %q", what, w.BeforeNote)
	}
	for path, code := range map[string]int{
		"/v1/why/breaker/payments": 200, "/v1/why/breakers/payments": 200, "/v1/why/guard/checkout": 200, "/v1/why/rate-limit/per_client": 200, "/v1/why/breaker/hosts": 200,
		"/v1/why/memory": 200, "/v1/why/nope": 404, "/v1/why/guard/payments": 404, "/v1/why/nonsense/payments": 404,
	} {
		var answer map[string]any
		if got := r.ask(http.MethodGet, path, "", &answer); got != code {
			t.Errorf("%s: %d, want %d: %v", path, got, code, answer)
		}
	}
}

// Without a record of events the history of the configuration is told, and that there is none.
func TestWhy_SaysThatNoEventsAreRecorded(t *testing.T) {
	r := newRig(t)
	b, err := r.layer.Breaker("payments")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = b.Do(t.Context(), func(context.Context) error { return errors.New("on purpose") })
	}
	var w adminapi.Why
	if code := r.ask(http.MethodGet, "/v1/why/breaker/payments", "", &w); code != http.StatusOK || !strings.Contains(w.BeforeNote, "no events are recorded") {
		t.Errorf("%d %q", code, w.BeforeNote)
	}
}

// While performance is off nothing is known of the last minute, and nobody is told that all
// is well.
func TestStatus_SaysThatItsNumbersAreSinceTheStart(t *testing.T) {
	r := newRig(t)
	g, err := r.layer.Guard("checkout")
	if err != nil {
		t.Fatal(err)
	}
	_ = g.Do(t.Context(), func(context.Context) error { return errors.New("on purpose") })
	var s adminapi.Status
	if code := r.ask(http.MethodGet, "/v1/status", "", &s); code != http.StatusOK {
		t.Fatal(code)
	}
	if v := s.Guards[0].Recent; v.Source != "start" || v.Calls != 1 || v.Failed != 1 || v.Trouble != "" {
		t.Errorf("%+v", v)
	}
	var w adminapi.Why
	if r.ask(http.MethodGet, "/v1/why/checkout", "", &w); !strings.Contains(w.Verdict, "performance is off; since the start 100 % of 1 calls failed") {
		t.Error(w.Verdict)
	}
}
