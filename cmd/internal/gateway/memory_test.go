package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/settings"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
)

// short is an admission that refuses all but critical.
type short struct{}

func (short) Refusing() *atomic.Uint32 { return nil }

func (short) Admit(_ context.Context, c guard.Call) *fault.Error {
	if c.Priority == guard.Critical {
		return nil
	}
	return fault.New(fault.Spec{Code: fault.MemoryPressure, Component: "memory", RetryAt: time.Now().Add(2 * time.Second)})
}

// While memory is short a request is refused by its priority, before anything of its body is
// read, and told when to come back.
func TestMemoryRefusesBeforeTheBodyIsRead(t *testing.T) {
	for name, tt := range map[string]struct {
		guard guard.Priority
		route string
		want  int
	}{
		"the guard's": {guard.Bulk, "", http.StatusServiceUnavailable}, "the guard's, critical": {guard.Critical, "", http.StatusOK},
		"the route's": {guard.Critical, "bulk", http.StatusServiceUnavailable}, "the route's, critical": {guard.Bulk, "critical", http.StatusOK},
	} {
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }), func(s *setup) {
			s.guard = guard.Config{Admission: short{}, Priority: tt.guard}
			s.route = settings.Route{Match: s.route.Match, Upstream: s.route.Upstream, Guard: "g", Priority: tt.route}
		})
		body, send := io.Pipe()
		if tt.want == http.StatusOK {
			go func() { _, _ = io.WriteString(send, "hello"); _ = send.Close() }()
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := r.client.Do(req) // returns although the body never comes
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		_ = send.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %s %s", name, resp.Status, text)
		}
		if tt.want != http.StatusOK && (resp.Header.Get("Retry-After") != "2" || !strings.Contains(string(text), `"memory_pressure"`) || strings.Contains(string(text), "evidence")) {
			t.Errorf("%s: Retry-After %q, %s", name, resp.Header.Get("Retry-After"), text)
		}
	}
}
