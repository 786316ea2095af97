package admin_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/outcome"
)

// A page that is opened in the middle of an incident has its last minutes.
func TestSparklines_AreOfAllThatHadCalls(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		op := r.layer.Performance().Operation("import")
		<-time.After(500 * time.Millisecond)
		for i := range 60 {
			for range 2 {
				op.Record(time.Millisecond, map[bool]outcome.Outcome{false: outcome.Success, true: outcome.Failure}[i >= 50])
			}
			<-time.After(time.Second)
		}
		var s adminapi.Sparklines
		if code := r.ask(http.MethodGet, "/v1/sparklines", "", &s); code != http.StatusOK || len(s.Time) != 30 || s.StepSeconds != 10 || len(s.Items) != 1 {
			t.Fatalf("%d %+v", code, s)
		}
		one := s.Items[0]
		if one.Operation != "op:import" || len(one.Rate) != 30 || len(one.Errors) != 30 || one.Rate[0] != nil || one.Rate[29] == nil {
			t.Errorf("%+v", one)
		}
		for i, want := range map[int]float64{25: 0, 29: 1} {
			if rate, errors := one.Rate[i], one.Errors[i]; rate == nil || *rate != 2 || errors == nil || *errors != want {
				t.Errorf("step %d: %v, %v", i, *rate, *errors)
			}
		}
	})
}

// The states of a breaker are those that its transitions say, to the moment.
func TestBreakerStates_AreThoseOfItsTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		layer, err := foundation.Open(t.Context(), foundation.Options{Config: &config.Config{
			Version: 1, Storage: &config.Storage{}, Breakers: map[string]config.Breaker{"payments": {Config: breaker.Config{FailureThreshold: 2, Cooldown: 5 * time.Second}}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = layer.Close(context.Background()) }()
		api := admin.New(layer, admin.Options{Access: admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: token, Write: true}}}})
		defer api.Close()
		r := &rig{T: t, layer: layer, http: api}
		b, err := layer.Breaker("payments")
		if err != nil {
			t.Fatal(err)
		}
		fails := func() { _ = b.Do(context.Background(), func(context.Context) error { return errors.New("no") }) }
		works := func() { _ = b.Do(context.Background(), func(context.Context) error { return nil }) }
		<-time.After(10 * time.Second)
		fails()
		fails()
		<-time.After(6 * time.Second)
		works()
		<-time.After(4 * time.Second)
		if code := r.ask(http.MethodPut, "/v1/breakers/payments/override", `{"state":"forced-open","reason":"a drill","for_seconds":60}`, nil); code != http.StatusOK {
			t.Fatal(code)
		}
		<-time.After(time.Second)
		synctest.Wait()
		var s adminapi.BreakerStates
		if code := r.ask(http.MethodGet, "/v1/breakers/payments/states", "", &s); code != http.StatusOK {
			t.Fatal(code)
		}
		var got []string
		for _, b := range s.Bands {
			text := b.State + " " + b.To.Sub(b.From).Round(time.Second).String() + " " + b.Reason
			if b.Forced {
				text += " forced by " + b.Actor
			}
			got = append(got, strings.TrimSpace(text))
		}
		want := []string{"closed 10s", "open 6s failure_threshold", "closed 4s probes_succeeded", "open 1s a drill forced by ops"}
		if !slices.Equal(got, want) || !strings.Contains(s.Note, "began to run") {
			t.Errorf("%q, want %q; note %q", got, want, s.Note)
		}
		for path, want := range map[string]int{"/v1/breakers/nobody/states": 404, "/v1/breakers/payments/states?from=x": 400, "/v1/breakers/payments/states?from=1m&to=2m": 400, "/v1/breakers/payments/states?at=1m": 400} {
			if code := r.ask(http.MethodGet, path, "", nil); code != want {
				t.Errorf("%s: %d, want %d", path, code, want)
			}
		}
	})
}

// Every kind of part has its row, also without traffic.
func TestFrame_HasARowForEveryPart(t *testing.T) {
	r := newRigWith(t, nil, nil)
	hosts := []admin.Upstream{{Name: "10.0.0.1:80", State: "ejected", Reason: "5 failures in a row", Until: time.Now().Add(30 * time.Second)}, {Name: "10.0.0.2:80", State: "active", Requests: 7}}
	api := admin.New(r.layer, admin.Options{
		Access:  admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: token, Write: true}}},
		Program: admin.Program{Routes: func() []admin.Route { return []admin.Route{{Name: "pay", Guard: "checkout", Upstreams: hosts}} }},
	})
	defer api.Close()
	r.http = api
	var f adminapi.Frame
	if code := r.ask(http.MethodGet, "/v1/frame", "", &f); code != http.StatusOK {
		t.Fatal(code)
	}
	rows := map[string]adminapi.FrameRow{}
	for i := range f.Rows {
		rows[f.Rows[i].ID] = f.Rows[i]
		if i > 0 && f.Rows[i].Weight > f.Rows[i-1].Weight {
			t.Errorf("%s stands behind %s", f.Rows[i].ID, f.Rows[i-1].ID)
		}
	}
	for id, want := range map[string]string{
		"guard/checkout": "idle idle", "breaker/payments": "idle closed", "breaker/hosts": "idle closed", "rate_limit/per_client": "idle idle", "route/pay": "idle idle",
		"upstream/pay/10.0.0.1:80": "warn ejected", "upstream/pay/10.0.0.2:80": "ok active",
	} {
		if got := rows[id].Level + " " + rows[id].State; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if f.Totals.Of != "routes" || rows["upstream/pay/10.0.0.1:80"].NextAt.IsZero() || f.Rows[0].ID != "upstream/pay/10.0.0.1:80" {
		t.Errorf("%+v", f.Rows[0])
	}
}
