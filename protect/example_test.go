package protect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/guard/guardtest"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

func ExampleHandler() {
	perClient, _ := ratelimit.New("per_client", ratelimit.Config{Limit: 1, Per: time.Minute})
	checkout, _ := guard.New("checkout", guard.Config{RateLimit: perClient})
	pay := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "paid") })
	h := protect.Handler(pay, checkout, protect.KeyByRemoteIP())
	for range 2 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/pay", nil))
		fmt.Printf("%d %q %q\n", w.Code, w.Header().Get("Retry-After"), w.Header().Get("RateLimit"))
	}
	// Output:
	// 200 "" ""
	// 429 "60" "\"default\";r=0;t=60"
}

func ExampleTransport() {
	client := &http.Client{Transport: protect.Transport(nil, guardtest.Refuse(fault.CircuitOpen))}
	resp, err := client.Get("http://payments.internal/charge")
	if err == nil {
		resp.Body.Close()
	}
	fmt.Println(errors.Is(err, fault.CircuitOpen))
	// Output: true
}

func ExampleTransport_breakerForEachHost() {
	hosts, _ := breaker.NewGroup("hosts", breaker.Config{FailureThreshold: 1}, 1000)
	g, _ := guard.New("outgoing", guard.Config{Breakers: hosts})
	broken := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "good.test" {
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		}
		return nil, errDown
	})
	rt := protect.Transport(broken, g, protect.KeyByHost())
	for _, url := range []string{"http://bad.test/", "http://bad.test/", "http://good.test/"} {
		req, _ := http.NewRequest(http.MethodGet, url, nil)
		resp, err := rt.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		fmt.Println(url, errors.Is(err, fault.CircuitOpen), err == nil)
	}
	// Output:
	// http://bad.test/ false false
	// http://bad.test/ true false
	// http://good.test/ false true
}

func ExampleFunc() {
	double := func(_ context.Context, n int) (int, error) { return 2 * n, nil }
	guarded := protect.Func(guardtest.Admit(), double)
	fmt.Println(guarded(context.Background(), 21))
	// Output: 42 <nil>
}

func ExampleFuncWith() {
	perUser, _ := ratelimit.New("per_user", ratelimit.Config{Limit: 1, Per: time.Minute})
	g, _ := guard.New("greet", guard.Config{RateLimit: perUser})
	greet := protect.FuncWith(g,
		func(user string) guard.Call { return guard.Call{Key: ratelimit.KeyOf("user", user)} },
		func(_ context.Context, user string) (string, error) { return "hello " + user, nil })
	for _, user := range []string{"ann", "ben", "ann"} {
		text, err := greet(context.Background(), user)
		fmt.Printf("%q %v\n", text, errors.Is(err, fault.RateLimited))
	}
	// Output:
	// "hello ann" false
	// "hello ben" false
	// "" true
}

func ExampleReportError() {
	upstream, _ := breaker.New("upstream", breaker.Config{FailureThreshold: 1})
	g, _ := guard.New("proxy", guard.Config{Breaker: upstream})
	h := protect.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := errors.New("dial tcp: connection refused") // as a proxy's ErrorHandler gets it
		protect.ReportError(r.Context(), err)
		protect.WriteRefusal(w, r, err)
	}), g)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println(w.Code, upstream.State())
	// Output: 502 open
}

func ExampleWriteRefusal() {
	w := httptest.NewRecorder()
	protect.WriteRefusal(w, httptest.NewRequest(http.MethodGet, "/", nil), fault.New(fault.Spec{Code: fault.MemoryPressure}))
	fmt.Println(w.Code, w.Body)
	// Output: 503 {"type":"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity","title":"memory is short","status":503,"code":"memory_pressure"}
}

func ExampleRemoteIP() {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.7:51000"
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 192.0.2.9")
	fmt.Println(protect.RemoteIP(r), protect.RemoteIP(r, netip.MustParsePrefix("10.0.0.0/8")))
	// Output: 10.0.0.7 192.0.2.9
}

func ExampleParseRetryAfter() {
	now := time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)
	fmt.Println(protect.ParseRetryAfter("120", now))
	fmt.Println(protect.ParseRetryAfter("Mon, 23 Nov 2026 12:00:30 GMT", now))
	fmt.Println(protect.ParseRetryAfter("soon", now))
	// Output:
	// 2m0s true
	// 30s true
	// 0s false
}

func ExampleRetryAfter() {
	resp := &http.Response{Header: http.Header{"Retry-After": {"7"}}}
	fmt.Println(protect.RetryAfter(resp.Header, time.Second))
	// Output: 7s
}

func ExampleStatusOutcome() {
	fmt.Println(protect.StatusOutcome(200), protect.StatusOutcome(404), protect.StatusOutcome(429), protect.StatusOutcome(503))
	// Output: success success ignored failure
}

func ExampleQuota_Set() {
	h := http.Header{}
	protect.Quota{Limit: 100, Window: time.Minute, Remaining: 42, Reset: 30 * time.Second}.Set(h)
	fmt.Println(h.Get("RateLimit-Policy"), h.Get("RateLimit"))
	// Output: "default";q=100;w=60 "default";r=42;t=30
}

// printer is a recorder for examples.
type printer struct{}

func (printer) Record(o guard.Observation) { fmt.Println(o.Guard, o.Op, o.Result) }

func ExampleInstrumentHandler() {
	h, _ := protect.InstrumentHandler(answer(http.StatusBadGateway), "pay", printer{}, protect.Op("post"))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/pay", nil))
	// Output: pay post failure
}

func ExampleInstrumentTransport() {
	rt, _ := protect.InstrumentTransport(status(http.StatusNotFound), "outgoing", printer{})
	resp, err := rt.RoundTrip(outgoing(context.Background(), nil))
	if err == nil {
		resp.Body.Close()
	}
	// Output: outgoing  success
}

func ExampleInstrumentFunc() {
	measured, _ := protect.InstrumentFunc("charge", printer{}, func(context.Context, int) (string, error) { return "", errDown })
	_, err := measured(context.Background(), 1)
	fmt.Println(err)
	// Output:
	// charge  failure
	// connection refused
}
