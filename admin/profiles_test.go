package admin_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
)

// roles serves a layer with a token of each role.
func roles(t *testing.T, o admin.Options) (ask func(token, method, path, body string) (*http.Response, string), layer *foundation.Foundation) {
	t.Helper()
	layer, err := foundation.Open(t.Context(), foundation.Options{Stores: map[string]foundation.Store{}})
	if err != nil {
		t.Fatal(err)
	}
	o.Access = admin.Access{Tokens: map[string]admin.Token{"ops": {Secret: "write-write-write", Write: true}, "dash": {Secret: "read-read-read-read"}}}
	api := admin.New(layer, o)
	server := httptest.NewServer(api)
	t.Cleanup(func() {
		api.Close()
		server.Close()
		_ = layer.Close(t.Context()) // the context of the test has ended
	})
	return func(token, method, path, body string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, string(text)
	}, layer
}

const mayWrite, mayRead = "write-write-write", "read-read-read-read"

func TestProfiles_AreForThoseWhoMayWrite(t *testing.T) {
	ask, _ := roles(t, admin.Options{})
	for path, want := range map[string]string{
		"/debug/pprof/": "goroutine?debug=1", "/debug/pprof/goroutine?debug=2": "goroutine 1 [", "/debug/pprof/heap?gc=1": "", "/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/profile?seconds=1": "", "/debug/pprof/trace?seconds=1": "go 1.",
	} {
		if resp, text := ask(mayRead, "GET", path, ""); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s with a token of role read: %s", path, text)
		}
		if resp, _ := ask("nobody-nobody-nobody", "GET", path, ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s without a token: %s", path, resp.Status)
		}
		resp, text := ask(mayWrite, "GET", path, "")
		if resp.StatusCode != http.StatusOK || len(text) == 0 || !strings.Contains(text, want) || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, %d bytes", path, resp.Status, len(text))
		}
	}
	for path, code := range map[string]int{
		"/debug/pprof/nothing": 404, "/debug/pprof/heap/more": 404, "/debug/pprof/profile?seconds=0": 400, "/debug/pprof/profile?seconds=121": 400,
		"/debug/pprof/trace?seconds=11": 400, "/debug/pprof/heap?debug=x": 400, "/debug/pprof/cmdline": 404,
	} {
		if resp, text := ask(mayWrite, "GET", path, ""); resp.StatusCode != code {
			t.Errorf("%s: %s %s", path, resp.Status, text)
		}
	}
	if resp, _ := ask(mayWrite, "POST", "/debug/pprof/profile", ""); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", resp.Status)
	}
}

func TestProfiles_OneRecordingAtATime(t *testing.T) {
	ask, _ := roles(t, admin.Options{})
	codes := make(chan int, 3)
	for range 3 {
		go func() {
			resp, _ := ask(mayWrite, "GET", "/debug/pprof/profile?seconds=1", "")
			codes <- resp.StatusCode
		}()
	}
	made, refused := 0, 0
	for range 3 {
		switch <-codes {
		case http.StatusOK:
			made++
		case http.StatusServiceUnavailable:
			refused++
		}
	}
	if made == 0 || refused == 0 || made+refused != 3 {
		t.Errorf("%d made, %d refused", made, refused)
	}
}

// A program that links the admin API must not serve profiles at its default mux.
func TestProfiles_AreNotOnTheDefaultMux(t *testing.T) {
	if _, pattern := http.DefaultServeMux.Handler(httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", nil)); pattern != "" {
		t.Errorf("the default mux answers at %q", pattern)
	}
}
