package admin_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// TestPage_NeedsNoToken: it is where a person gives one. What it shows comes from the API.
func TestPage_NeedsNoToken(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]int{"/": http.StatusOK, "/v1/status": http.StatusUnauthorized, "/assets/x": http.StatusNotFound} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		req.Host = "127.0.0.1"
		w := httptest.NewRecorder()
		if r.http.ServeHTTP(w, req); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	req.Host = "attacker.example"
	w := httptest.NewRecorder()
	if r.http.ServeHTTP(w, req); w.Code != http.StatusForbidden {
		t.Errorf("by a name that this server does not know: %d", w.Code)
	}
}

// TestPage_WithoutProofOfIdentity is there where the API is, and a link from elsewhere leads
// to it; what another site asks of the API itself is refused.
func TestPage_WithoutProofOfIdentity(t *testing.T) {
	r := newRig(t)
	api := admin.New(r.layer, admin.Options{})
	t.Cleanup(api.Close)
	loopback, other := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}
	for _, c := range []struct {
		path, header, value string
		at                  net.Addr
		want                int
	}{
		{"/", "Sec-Fetch-Site", "cross-site", loopback, http.StatusOK},
		{"/v1/status", "Sec-Fetch-Site", "cross-site", loopback, http.StatusForbidden},
		{"/v1/status", "Sec-Fetch-Site", "same-origin", loopback, http.StatusOK},
		{"/", "Via", "1.1 proxy", loopback, http.StatusForbidden},
		{"/", "", "", other, http.StatusForbidden},
	} {
		req := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, c.at), http.MethodGet, c.path, http.NoBody)
		req.Host = "127.0.0.1"
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		if api.ServeHTTP(w, req); w.Code != c.want {
			t.Errorf("%s from %s, %s: %s: %d, want %d", c.path, c.at, c.header, c.value, w.Code, c.want)
		}
	}
}

func TestPage_BelowAPrefix(t *testing.T) {
	r := newRig(t)
	mux := http.NewServeMux()
	mux.Handle("/ops/foundation/", http.StripPrefix("/ops/foundation", r.http))
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/ops/foundation/", http.NoBody)
	req.Host = "127.0.0.1"
	w := httptest.NewRecorder()
	if mux.ServeHTTP(w, req); w.Code != http.StatusOK || strings.Contains(w.Body.String(), `="/`) {
		t.Errorf("%d: a file is not named from where the page is\n%s", w.Code, w.Body)
	}
}

// TestReasons_OfWhatHasNoBodyAreRecorded: whoever does something by hand says why, and it is
// read later.
func TestReasons_OfWhatHasNoBodyAreRecorded(t *testing.T) {
	r := newRigOn(t, &config.Storage{})
	for path, method := range map[string]string{
		"/v1/breakers/payments/reset?reason=we+know": http.MethodPost, "/v1/breakers/payments/override?reason=we+know": http.MethodDelete,
		"/v1/rate_limits/per_client/keys/a?reason=we+know": http.MethodDelete,
	} {
		if code := r.ask(method, path, "", nil); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
		if code := r.ask(method, strings.ReplaceAll(path, "we+know", strings.Repeat("x", 2000)), "", nil); code != http.StatusBadRequest {
			t.Errorf("%s, with a reason that is too long: %d", path, code)
		}
	}
	var page adminapi.Events
	r.ask(http.MethodGet, "/v1/events?component=annotation", "", &page)
	seen := map[string]bool{}
	for _, e := range page.Items {
		seen[e.Type] = strings.Contains(string(e.Data), `"we know"`) && strings.Contains(string(e.Data), `"ops"`)
	}
	for _, want := range []string{"breaker.reset_requested", "breaker.release_requested", "rate_limit.key_reset_requested"} {
		if !seen[want] {
			t.Errorf("%s is not recorded: %v", want, seen)
		}
	}
}
