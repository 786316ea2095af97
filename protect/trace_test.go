package protect_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/telemetry"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// chain is a service with a guard on both sides, in front of one that notes what it got.
func chain(t *testing.T, got *http.Header, id *string) (string, *http.Client) {
	t.Helper()
	back, _ := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { *got = r.Header }))
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	out := protect.Transport(base, newGuard(t, guard.Config{}))
	front := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		*id = telemetry.TraceID(r.Context())
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, back, nil)
		if err != nil {
			panic(err)
		}
		req.Header.Set("X-Own", "kept")
		resp, err := out.RoundTrip(req)
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
		if len(req.Header) != 1 || resp.Request != req {
			panic("the request was changed")
		}
	})
	return serve(t, protect.Handler(front, newGuard(t, guard.Config{})))
}

func TestTrace_GoesFromARequestThroughTheContextToTheNext(t *testing.T) {
	for name, c := range map[string]struct {
		sent, state []string
		want        string
	}{
		"valid":         {[]string{traceparent}, []string{"rojo=1", "congo=2"}, traceparent},
		"without state": {[]string{traceparent}, nil, traceparent},
		"none":          {nil, []string{"rojo=1"}, ""},
		"malformed":     {[]string{"00-nothing"}, []string{"rojo=1"}, ""},
		"several":       {[]string{traceparent, traceparent}, nil, ""},
	} {
		var got http.Header
		var id string
		url, client := chain(t, &got, &id)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header["Traceparent"], req.Header["Tracestate"] = c.sent, c.state
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = resp.Body.Close()
		wantID, wantState := "", ""
		if c.want != "" {
			wantID = traceID
			if c.state != nil {
				wantState = "rojo=1,congo=2"
			}
		}
		if got.Get("Traceparent") != c.want || got.Get("Tracestate") != wantState || id != wantID || got.Get("X-Own") != "kept" {
			t.Errorf("%s: trace %q, sent on %v", name, id, got)
		}
	}
}

// What a tracer has written into the request goes before what the context carries.
func TestTrace_OfTheRequestItselfStays(t *testing.T) {
	const own = "00-11111111111111111111111111111111-2222222222222222-00"
	base := http.RoundTripper(roundTrip(func(r *http.Request) (*http.Response, error) {
		if got := r.Header.Get("Traceparent"); got != own {
			t.Errorf("sent %q", got)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}))
	req, err := http.NewRequestWithContext(telemetry.WithTrace(context.Background(), traceparent, ""), http.MethodGet, "http://x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", own)
	resp, err := protect.Transport(base, newGuard(t, guard.Config{})).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// A request without a trace costs what it did.
func TestTrace_CostsNothingWhereThereIsNone(t *testing.T) {
	base := http.RoundTripper(roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
	}))
	rt := protect.Transport(base, newGuard(t, guard.Config{}))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := rt.RoundTrip(req); err != nil {
			t.Fatal(err)
		}
	}); n > 3 { // the answer, the flight and the token
		t.Errorf("%v allocations", n)
	}
}
