package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/ratelimit"
)

// shell is a program around the layer.
type shell struct {
	reloads  int
	by       config.By
	err      error
	notReady string
}

func (s *shell) program() admin.Program {
	return admin.Program{
		Build: "foundation test", NotReady: func() string { return s.notReady }, Reload: s.reload,
		Check: func(context.Context, *config.Config) error { return s.err }, Backup: s.backup,
	}
}

func (s *shell) reload(_ context.Context, by config.By) (config.Applied, error) {
	s.reloads++
	s.by = by
	return config.Applied{}, s.err
}

func (s *shell) backup(context.Context) (admin.Copy, error) {
	const text = "a copy"
	return admin.Copy{ReadCloser: io.NopCloser(strings.NewReader(text)), Bytes: int64(len(text)), Name: "foundation.db"}, s.err
}

// rig is an API over a small layer.
type rig struct {
	*testing.T

	shell *shell
	layer *foundation.Foundation
	http  http.Handler
	log   *bytes.Buffer
	end   func() // of requests without an end
}

func newRig(t *testing.T) *rig { return newRigOn(t, nil) }

func newRigOn(t *testing.T, storage *config.Storage) *rig {
	t.Helper()
	return newRigWith(t, storage, nil)
}

func newRigWith(t *testing.T, storage *config.Storage, performance *config.Performance) *rig {
	t.Helper()
	layer, err := foundation.Open(t.Context(), foundation.Options{Config: &config.Config{
		Performance: performance,
		Version:     1,
		Breakers:    map[string]config.Breaker{"payments": {Config: breaker.Config{FailureThreshold: 2}}, "hosts": {Per: "key"}, "calm": {}},
		RateLimits:  map[string]config.RateLimit{"per_client": {Config: ratelimit.Config{Limit: 5, Per: time.Minute}}},
		Guards:      map[string]config.Guard{"checkout": {Breaker: "payments", RateLimit: "per_client", Config: guard.Config{Timeout: time.Second}}},
		Storage:     storage,
	}, Node: "here"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = layer.Close(context.Background()) })
	r := &rig{T: t, shell: &shell{notReady: "it is a test"}, layer: layer, log: &bytes.Buffer{}}
	api := admin.New(layer, admin.Options{
		Log: slog.New(slog.NewJSONHandler(r.log, nil)), Program: r.shell.program(),
		Access: admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: token, Write: true}}},
	})
	r.http, r.end = api, api.Close
	return r
}

const token = "correct-horse-battery-staple"

// ask sends a request and decodes the answer.
func (r *rig) ask(method, path, body string, into any) int {
	r.Helper()
	return r.askWith(method, path, body, into, nil)
}

func (r *rig) askWith(method, path, body string, into any, header http.Header) int {
	r.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Host = "127.0.0.1"
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, header)
	w := httptest.NewRecorder()
	r.http.ServeHTTP(w, req)
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			r.Errorf("%s %s: %v\n%s", method, path, err, w.Body)
		}
	}
	return w.Code
}

func TestStatusListsEverythingWorstFirst(t *testing.T) {
	r := newRig(t)
	b, err := r.layer.Breaker("payments")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = b.Do(t.Context(), func(context.Context) error { return io.ErrUnexpectedEOF })
	}
	var s adminapi.Status
	if code := r.ask(http.MethodGet, "/v1/status", "", &s); code != http.StatusOK {
		t.Fatal(code)
	}
	if s.Verdict != "attention" || len(s.Reasons) != 1 || s.Build != "foundation test" {
		t.Errorf("%q %q %q", s.Verdict, s.Reasons, s.Build)
	}
	if len(s.Breakers) != 3 || s.Breakers[0].Name != "payments" || s.Breakers[0].State != "open" || s.Breakers[0].RetryAfterSeconds <= 0 {
		t.Errorf("%+v", s.Breakers)
	}
	if s.Breakers[0].OpenedBy[0].Name == "" || len(s.Breakers[0].LastErrors) != 1 {
		t.Errorf("why it opened is missing: %+v", s.Breakers[0])
	}
	if len(s.Guards) != 1 || s.Guards[0].Breaker != "payments" || s.Guards[0].TimeoutSeconds != 1 || len(s.RateLimits) != 1 || s.Pools == nil {
		t.Errorf("%+v %+v", s.Guards, s.RateLimits)
	}
}

func TestOneOfEachKind(t *testing.T) {
	r := newRig(t)
	for path, code := range map[string]int{
		"/v1/guards": 200, "/v1/breakers": 200, "/v1/rate_limits": 200, "/v1/pools": 200,
		"/v1/guards/checkout": 200, "/v1/breakers/payments": 200, "/v1/breakers/hosts": 200, "/v1/rate_limits/per_client": 200,
		"/v1/guards/nope": 404, "/v1/breakers/nope": 404, "/v1/rate_limits/nope": 404, "/v1/pools/nope": 404, "/v1/nonsense": 404, "/nonsense": 404,
		"/v1/breakers/hosts?member=unknown": 404, "/livez": 200, "/readyz": 503, "/startupz": 200,
	} {
		var answer map[string]any
		if got := r.ask(http.MethodGet, path, "", &answer); got != code {
			t.Errorf("%s: %d, want %d: %v", path, got, code, answer)
		}
		if code == 404 && answer["code"] != "not_found" {
			t.Errorf("%s: %v", path, answer)
		}
	}
	if got := r.ask(http.MethodPost, "/v1/status", "{}", nil); got != http.StatusMethodNotAllowed {
		t.Errorf("a wrong method: %d", got)
	}
}

func TestOverrideNamesItsActor(t *testing.T) {
	r := newRig(t)
	var b adminapi.Breaker
	code := r.ask(http.MethodPut, "/v1/breakers/payments/override", `{"state":"forced-open","reason":"maintenance","for_seconds":60}`, &b)
	if code != 200 || b.Override.State != "forced-open" || b.Override.Actor != "ops" || b.Override.Reason != "maintenance" || b.Override.RemainingSeconds <= 59 {
		t.Errorf("%d %+v", code, b.Override)
	}
	if !strings.Contains(r.log.String(), `"actor":"ops"`) || strings.Contains(r.log.String(), token) {
		t.Errorf("the log says %s", r.log)
	}
	var s adminapi.Status
	if r.ask(http.MethodGet, "/v1/status", "", &s); len(s.Reasons) == 0 || !strings.Contains(s.Reasons[0], "forced-open by ops") {
		t.Errorf("%q", s.Reasons)
	}
	if r.ask(http.MethodDelete, "/v1/breakers/payments/override", "{}", &b); b.Override.State != "" || b.State != "closed" {
		t.Errorf("%+v", b)
	}
	if r.ask(http.MethodPut, "/v1/breakers/payments/override", `{"state":"forced-closed","reason":"x"}`, &b); b.Override.State != "forced-closed" || !b.Override.Until.IsZero() {
		t.Errorf("%+v", b.Override)
	}
}

func TestResetClosesABreaker(t *testing.T) {
	r := newRig(t)
	p, err := r.layer.Breaker("payments")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_ = p.Do(t.Context(), func(context.Context) error { return io.ErrUnexpectedEOF })
	}
	var b adminapi.Breaker
	if code := r.ask(http.MethodPost, "/v1/breakers/payments/reset", "{}", &b); code != 200 || b.State != "closed" {
		t.Errorf("%d %+v", code, b)
	}
}

func TestBadRequestsChangeNothing(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ method, path, body string }{
		{"PUT", "/v1/breakers/payments/override", `{"state":"open","reason":"x"}`},
		{"PUT", "/v1/breakers/payments/override", `{"state":"forced-open"}`},
		{"PUT", "/v1/breakers/payments/override", `{"state":"forced-open","reason":"x","for_seconds":-1}`},
		{"PUT", "/v1/breakers/payments/override", `{"state":"forced-open","reason":"x","for_seconds":1e300}`},
		{"PUT", "/v1/breakers/payments/override", `{"state":"forced-open","reason":"x","fro_seconds":1}`},
		{"PUT", "/v1/breakers/payments/override", `{"state":"forced-open","reason":"x"} {}`},
		{"PUT", "/v1/breakers/payments/override", `not json`},
		{"POST", "/v1/check", `{"rule":"per_client","key":"a","take":-1}`},
		{"POST", "/v1/check", `{"rule":"per_client","key":"a","take":6}`},
		{"PUT", "/v1/config", `{"yaml":"version: 1\nbreakers: { x: { window: 3 } }"}`},
	} {
		var p adminapi.Problem
		if code := r.ask(c.method, c.path, c.body, &p); code != http.StatusBadRequest || p.Detail == "" {
			t.Errorf("%s %s %s: %d %+v", c.method, c.path, c.body, code, p)
		}
	}
	b, _ := r.layer.Breaker("payments")
	if s := b.Status(); s.Override != nil {
		t.Errorf("an override is in force: %+v", s.Override)
	}
}

func TestCheckOfKeysWithOverrides(t *testing.T) {
	r := newRig(t)
	l, err := r.layer.RateLimit("per_client")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetOverrides(map[string]ratelimit.Override{"acme": {Limit: 2, Per: time.Hour}, "probe": {Exempt: true}}); err != nil {
		t.Fatal(err)
	}
	type looked struct {
		allowed      bool
		source, code string
		limit        int64
		override     adminapi.KeyOverride
	}
	for _, c := range []struct {
		key  string
		take string
		want looked
	}{
		{"acme", "2", looked{true, "local", "", 2, adminapi.KeyOverride{Limit: 2, PerSeconds: 3600, Burst: 2}}},
		{"acme", "0", looked{false, "local", "rate_limited", 2, adminapi.KeyOverride{Limit: 2, PerSeconds: 3600, Burst: 2}}},
		{"acme", "1", looked{false, "local", "rate_limited", 2, adminapi.KeyOverride{Limit: 2, PerSeconds: 3600, Burst: 2}}},
		{"probe", "50", looked{true, "exempt", "", 5, adminapi.KeyOverride{Exempt: true}}},
		{"anybody", "0", looked{true, "local", "", 5, adminapi.KeyOverride{}}},
	} {
		var d adminapi.Decision
		if code := r.ask(http.MethodPost, "/v1/check", `{"rule":"per_client","key":"`+c.key+`","take":`+c.take+`}`, &d); code != 200 {
			t.Fatal(code)
		}
		got := looked{d.Allowed, d.Source, d.Code, d.Limit, adminapi.KeyOverride{}}
		if d.Override != nil {
			got.override = *d.Override
		}
		if got != c.want {
			t.Errorf("%s, take %s: %+v, want %+v", c.key, c.take, got, c.want)
		}
	}
	var rule adminapi.RateLimit
	if r.ask(http.MethodGet, "/v1/rate_limits/per_client", "", &rule); rule.Overrides != 2 || len(rule.TopDenied) != 1 || !rule.TopDenied[0].Override {
		t.Errorf("%+v", rule)
	}
	var w adminapi.Why
	if code := r.ask(http.MethodGet, "/v1/why/rate_limit/per_client", "", &w); code != 200 || len(w.Denied) != 1 || !w.Denied[0].Override ||
		!slices.ContainsFunc(w.Numbers, func(n adminapi.Number) bool { return n.Name == "overrides" && n.Value == 2 }) {
		t.Errorf("%d %+v", code, w)
	}
}

func TestCheckPeekAndResetOfAKey(t *testing.T) {
	r := newRig(t)
	check := func(take string) (d adminapi.Decision) {
		if code := r.ask(http.MethodPost, "/v1/check", `{"rule":"per_client","key":"org/user","take":`+take+`}`, &d); code != 200 {
			t.Fatal(code)
		}
		return d
	}
	if d := check("0"); !d.Allowed || d.Remaining != 5 || d.Taken != 0 {
		t.Errorf("a look: %+v", d)
	}
	if d := check("4"); !d.Allowed || d.Remaining != 1 || d.Taken != 4 {
		t.Errorf("taking: %+v", d)
	}
	if d := check("2"); d.Allowed || d.RetryAfterSeconds <= 0 || d.Taken != 0 {
		t.Errorf("taking too much: %+v", d)
	}
	var d adminapi.Decision
	if r.ask(http.MethodGet, "/v1/rate_limits/per_client/keys/org/user", "", &d); d.Remaining != 1 || d.Key != "org/user" {
		t.Errorf("peek: %+v", d)
	}
	var rule adminapi.RateLimit
	if r.ask(http.MethodGet, "/v1/rate_limits/per_client", "", &rule); rule.Denied != 1 || len(rule.TopDenied) != 1 || rule.TopDenied[0].Key != "org/user" {
		t.Errorf("rule: %+v", rule)
	}
	if r.ask(http.MethodDelete, "/v1/rate_limits/per_client/keys/org/user", "{}", &d); d.Remaining != 5 {
		t.Errorf("reset: %+v", d)
	}
}

func TestReload(t *testing.T) {
	r := newRig(t)
	var applied adminapi.Applied
	if code := r.ask(http.MethodPost, "/v1/reload?dry_run=1", "{}", nil); code != 400 || r.shell.reloads != 0 {
		t.Errorf("a dry run without a file: %d, %d reloads", code, r.shell.reloads)
	}
	if code := r.ask(http.MethodPost, "/v1/reload", "{}", &applied); code != 200 || r.shell.reloads != 1 || applied.Revision != 1 {
		t.Errorf("%d %+v", code, applied)
	}
	var problems fault.Problems
	problems.Add("guards.a.timeout", "3", "3 of what? write 3s")
	r.shell.err = problems.Err("config", "foundation.yaml")
	var p adminapi.Problem
	if code := r.ask(http.MethodPost, "/v1/reload", "{}", &p); code != 400 || len(p.Problems) != 1 || p.Problems[0].Field != "guards.a.timeout" || p.Code != "invalid_config" {
		t.Errorf("%d %+v", code, p)
	}
}

func TestConfigIsReplacedOnlyIfItIsTheOneThatWasSeen(t *testing.T) {
	r := newRig(t)
	body, _ := json.Marshal(adminapi.ConfigRequest{YAML: "version: 1\nbreakers: { payments: { failure_threshold: 9 } }\n"})
	var now adminapi.Config
	if code := r.ask(http.MethodGet, "/v1/config", "", &now); code != 200 || now.Revision != 1 || !strings.Contains(now.YAML, "per_client") {
		t.Fatalf("%d %+v", code, now)
	}
	var applied adminapi.Applied
	if code := r.ask(http.MethodPut, "/v1/config?dry_run=true", string(body), &applied); code != 200 || len(applied.Changes) == 0 {
		t.Errorf("dry run: %d %+v", code, applied)
	}
	var p adminapi.Problem
	if code := r.askWith(http.MethodPut, "/v1/config", string(body), &p, http.Header{"If-Match": {`"7"`}}); code != http.StatusPreconditionFailed {
		t.Errorf("a stale revision: %d %+v", code, p)
	}
	if code := r.askWith(http.MethodPut, "/v1/config", string(body), &applied, http.Header{"If-Match": {`"1"`}}); code != 200 || applied.Revision != 2 {
		t.Errorf("%d %+v", code, applied)
	}
	var g adminapi.Problem
	if code := r.ask(http.MethodGet, "/v1/guards/checkout", "", &g); code != 404 {
		t.Errorf("a removed guard: %d", code)
	}
}

func TestClient(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r.http)
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	c := &adminapi.Client{Address: strings.TrimPrefix(server.URL, "http://"), Token: token, HTTP: &http.Client{Transport: transport}}
	var s adminapi.Status
	if err := c.Get(t.Context(), "/v1/status", &s); err != nil || len(s.Guards) != 1 {
		t.Errorf("%v %+v", err, s)
	}
	if err := c.Get(t.Context(), "/v1/guards/nope", &s); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	c.Token = ""
	if err := c.Get(t.Context(), "/v1/status", &s); !errors.Is(err, fault.Forbidden) || !strings.Contains(err.Error(), "FOUNDATION_TOKEN") {
		t.Errorf("got %v", err)
	}
	server.Close()
	if err := c.Get(t.Context(), "/v1/status", &s); !errors.Is(err, adminapi.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
}

// Whoever asks for a dry run and misspells it must not get the change.
func TestADryRunThatCannotBeReadIsRefusedAndChangesNothing(t *testing.T) {
	r := newRig(t)
	for _, query := range []string{"dry_run=yes", "dry_run=", "dry_run=1;x", "dry_run=%zz"} {
		if code := r.ask(http.MethodPost, "/v1/reload?"+query, "{}", nil); code != http.StatusBadRequest {
			t.Errorf("reload?%s: %d", query, code)
		}
		if code := r.ask(http.MethodPut, "/v1/config?"+query, `{"yaml":"version: 1\n"}`, nil); code != http.StatusBadRequest {
			t.Errorf("config?%s: %d", query, code)
		}
	}
	if revision := r.layer.Config().Current().Number; r.shell.reloads != 0 || revision != 1 {
		t.Errorf("%d reloads, revision %d", r.shell.reloads, revision)
	}
}

// Rounded down it would be 0, which means for ever.
func TestAnOverrideForLessThanANanosecondEnds(t *testing.T) {
	r := newRig(t)
	var b adminapi.Breaker
	code := r.ask(http.MethodPut, "/v1/breakers/payments/override", `{"state":"forced-open","reason":"x","for_seconds":1e-12}`, &b)
	if code != http.StatusOK || b.Override.State != "" && b.Override.Until.IsZero() {
		t.Errorf("%d %+v", code, b.Override)
	}
}
