package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// A change of the access that comes after the end must not begin requests without an end.
func TestAPI_AfterItsCloseNothingIsFollowed(t *testing.T) {
	layer, err := foundation.Open(t.Context(), foundation.Options{Config: &config.Config{Version: 1, Storage: &config.Storage{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = layer.Close(context.Background()) })
	api := admin.New(layer, admin.Options{})
	api.Close()
	anybody := func(*http.Request) (string, bool, bool) { return "ops", true, true }
	api.Use(admin.Access{Authenticate: anybody})
	r, w := httptest.NewRequest(http.MethodGet, "/v1/events/stream", nil), httptest.NewRecorder()
	api.ServeHTTP(w, r) // returns
	if w.Code != http.StatusOK && w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}

// A program that uses the library mounts the API below a path, with nothing but the layer.
func TestAPI_OfALibraryReadsPlansAndReloadsItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "foundation.yaml")
	write := func(threshold string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("version: 1\nbreakers: { payments: { failure_threshold: "+threshold+" } }\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("3")
	layer, err := foundation.Open(t.Context(), foundation.Options{ConfigFile: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = layer.Close(context.Background()) })
	api := admin.New(layer, admin.Options{})
	t.Cleanup(api.Close)
	mux := http.NewServeMux()
	mux.Handle("/admin/", http.StripPrefix("/admin", api))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	ask := func(method, path string, into any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+"/admin"+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Errorf("%s %s: %v", method, path, err)
		}
		return resp.StatusCode
	}
	var status adminapi.Status
	if code := ask(http.MethodGet, "/v1/status", &status); code != 200 || status.Verdict != "ok" || !status.Ready || status.Config.Source != path || status.StartedAt.IsZero() {
		t.Errorf("%d %+v", code, status)
	}
	write("4")
	var applied adminapi.Applied
	if code := ask(http.MethodPost, "/v1/reload?dry_run=1", &applied); code != 200 || !applied.DryRun || len(applied.Changes) != 1 || applied.Revision != 1 {
		t.Errorf("planned: %d %+v", code, applied)
	}
	if code := ask(http.MethodPost, "/v1/reload", &applied); code != 200 || len(applied.Changes) != 1 || applied.Revision != 2 {
		t.Errorf("reloaded: %d %+v", code, applied)
	}
	var p adminapi.Problem
	if code := ask(http.MethodPost, "/v1/storage/backup", &p); code != http.StatusServiceUnavailable || p.Code != "unavailable" {
		t.Errorf("a backup of nothing: %d %+v", code, p)
	}
}
