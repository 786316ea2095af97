package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/cmd/internal/settings"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// A trace goes to the upstream as it came, and into every line about the request; one that
// is malformed goes nowhere, and the public hears of neither.
func TestTrace_IsPassedOnAndLogged(t *testing.T) {
	for name, c := range map[string]struct {
		sent, state []string
		id          string
	}{
		"valid":     {[]string{traceparent}, []string{"rojo=1", "congo=2"}, traceID},
		"none":      {nil, nil, ""},
		"malformed": {[]string{"00-" + traceID}, []string{"rojo=1"}, ""},
		"zeros":     {[]string{"00-00000000000000000000000000000000-b7ad6b7169203331-01"}, []string{"rojo=1"}, ""},
		"several":   {[]string{traceparent, traceparent}, []string{"rojo=1"}, ""},
	} {
		var log accessLines
		var got http.Header
		r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			got = req.Header
			w.WriteHeader(http.StatusServiceUnavailable)
		}), func(s *setup) { s.gateway.AccessLog.Mode, s.log = settings.AccessLogAll, &log })
		req := r.request(http.MethodGet, "/", nil)
		req.Header["Traceparent"], req.Header["Tracestate"] = c.sent, c.state
		r.do(req)
		r.server.Close()
		if c.id == "" && (got["Traceparent"] != nil || got["Tracestate"] != nil) {
			t.Errorf("%s: it is passed on: %v", name, got)
		}
		if c.id != "" && (got.Get("Traceparent") != traceparent || strings.Join(got["Tracestate"], ",") != "rojo=1,congo=2") {
			t.Errorf("%s: the upstream got %v", name, got)
		}
		lines := 0
		for raw := range strings.Lines(log.text.String()) {
			var l struct {
				TraceID *string `json:"trace_id"`
			}
			if err := json.Unmarshal([]byte(raw), &l); err != nil || l.TraceID == nil || *l.TraceID != c.id {
				t.Errorf("%s: %s", name, raw)
			}
			lines++
		}
		if lines != 2 { // the failure and the request
			t.Errorf("%s: %d lines: %s", name, lines, log.text.String())
		}
	}
}

// The public learns the id of its request and nothing of the trace, of upstreams or of
// why they fail.
func TestTrace_AndReasonsAreNotForThePublic(t *testing.T) {
	r := newRigTo(t, "http://127.0.0.1:1", nil)
	req := r.request(http.MethodGet, "/", nil)
	req.Header.Set("Traceparent", traceparent)
	got := r.do(req)
	var body map[string]any
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	for name := range body {
		if !slices.Contains([]string{"type", "title", "status", "code", "correlation_id"}, name) {
			t.Errorf("the body has %q: %s", name, got.body)
		}
	}
	if body["correlation_id"] == "" || body["status"] != 502.0 || strings.Contains(got.body, "refused") || strings.Contains(got.body, traceID) || got.Header.Get("Traceparent") != "" {
		t.Errorf("%v %s", got.Header, got.body)
	}
}
