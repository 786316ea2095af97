package protect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/protect"
	"github.com/elixirscope/foundation/ratelimit"
)

func refusal(err error) (*httptest.ResponseRecorder, map[string]any) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", "12345")
	protect.WriteRefusal(w, httptest.NewRequest(http.MethodGet, "/", nil), err)
	var fields map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &fields)
	return w, fields
}

func TestWriteRefusal_EveryCode(t *testing.T) {
	const quota, capacity, blank = "https://iana.org/assignments/http-problem-types#quota-exceeded",
		"https://iana.org/assignments/http-problem-types#temporary-reduced-capacity", "about:blank"
	types := map[fault.Code]string{
		fault.RateLimited: quota, fault.CircuitOpen: capacity, fault.MemoryPressure: capacity, fault.ConcurrencyLimited: capacity,
		fault.PoolFull: capacity, fault.PoolTimeout: capacity, fault.WorkerFailed: capacity,
	}
	for _, code := range fault.Codes() {
		w, fields := refusal(fmt.Errorf("outer: %w", fault.New(fault.Spec{Code: code, Component: "guard", Name: "secret"})))
		want := types[code]
		if want == "" {
			want = blank
		}
		if w.Code != code.HTTPStatus() || fields["type"] != want || fields["code"] != code.String() || fields["status"] != float64(w.Code) || fields["title"] == "" {
			t.Errorf("%v: %d %v", code, w.Code, fields)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/problem+json" || h.Get("Content-Encoding") != "" ||
			h.Get("Content-Length") != fmt.Sprint(w.Body.Len()) || h.Get("Retry-After") != "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: header %v", code, h)
		}
		if _, has := fields["retry_after"]; has || len(fields) != 4 {
			t.Errorf("%v: %v", code, fields)
		}
	}
}

func TestWriteRefusal_OtherErrors(t *testing.T) {
	for want, err := range map[int]error{
		499: fmt.Errorf("dial: %w", context.Canceled),
		504: fmt.Errorf("dial: %w", context.DeadlineExceeded),
		502: errors.New("dial tcp 10.1.2.3:80: connection refused"),
	} {
		w, fields := refusal(err)
		if w.Code != want || fields["type"] != "about:blank" || len(fields) != 4 || fields["code"] != protect.RefusalCode(err).String() {
			t.Errorf("%v: %d %v", err, w.Code, fields)
		}
	}
}

func TestWriteRefusal_RetryAfterIsRoundedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for after, want := range map[time.Duration]string{
			time.Nanosecond: "1", time.Second: "1", time.Second + 1: "2", 90 * time.Second: "90", 0: "", -time.Second: "",
		} {
			w, fields := refusal(fault.New(fault.Spec{Code: fault.CircuitOpen, RetryAt: time.Now().Add(after)}))
			if got := w.Header().Get("Retry-After"); got != want {
				t.Errorf("%v: Retry-After %q, want %q", after, got, want)
			}
			if got, has := fields["retry_after"]; has != (want != "") || has && fmt.Sprint(got) != want {
				t.Errorf("%v: retry_after %v", after, got)
			}
		}
	})
}

func TestQuota_Set(t *testing.T) {
	for _, c := range []struct {
		quota         protect.Quota
		policy, state string
	}{
		{protect.Quota{Limit: 100, Window: time.Minute, Remaining: 50, Reset: 30 * time.Second}, `"default";q=100;w=60`, `"default";r=50;t=30`},
		{protect.Quota{Limit: 5, Window: 100 * time.Millisecond, Remaining: 2}, `"default";q=5`, `"default";r=2`},
		{protect.Quota{Policy: `a"\ü`, Limit: 5, Window: 1500 * time.Millisecond, Remaining: -3, Reset: 1}, `"a\"\\?";q=5;w=2`, `"a\"\\?";r=0;t=1`},
		{protect.Quota{}, "", `"default";r=0`},
		{protect.Quota{Limit: 1 << 62, Remaining: 1 << 62}, `"default";q=999999999999999`, `"default";r=999999999999999`},
	} {
		h := http.Header{}
		c.quota.Set(h)
		if got := h.Get("RateLimit-Policy"); got != c.policy {
			t.Errorf("%+v: policy %s, want %s", c.quota, got, c.policy)
		}
		if got := h.Get("RateLimit"); got != c.state {
			t.Errorf("%+v: state %s, want %s", c.quota, got, c.state)
		}
	}
}

func TestRateLimitHeaders(t *testing.T) {
	own := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Ratelimit", `"mine";r=1`)
		_, _ = w.Write([]byte("ok"))
	})
	for _, c := range []struct {
		name         string
		handler      http.Handler
		opts         []protect.Option
		guard, limit mode.Mode
		want         []string // of the answers to two requests
		override     *ratelimit.Override
	}{
		{"asked for", answer(200), []protect.Option{protect.RateLimitHeaders()}, 0, 0, []string{`"default";r=1;t=30`, `"default";r=0;t=60`}, nil},
		{"a key with numbers of its own", answer(200), []protect.Option{protect.RateLimitHeaders()}, 0, 0, []string{`"default";r=4;t=12`, `"default";r=3;t=24`}, &ratelimit.Override{Limit: 5, Burst: 5}},
		{"a key that is refused", answer(200), []protect.Option{protect.RateLimitHeaders()}, 0, 0, []string{`"default";r=0;t=60`, `"default";r=0;t=60`}, &ratelimit.Override{Limit: 1, Burst: 1}},
		{"a key that is exempt", answer(200), []protect.Option{protect.RateLimitHeaders()}, 0, 0, []string{"", ""}, &ratelimit.Override{Exempt: true}},
		{"nothing written", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), []protect.Option{protect.RateLimitHeaders()}, 0, 0, []string{`"default";r=1;t=30`, `"default";r=0;t=60`}, nil},
		{"not asked for", answer(200), nil, 0, 0, []string{"", ""}, nil},
		{"the handler's own", own, []protect.Option{protect.RateLimitHeaders()}, 0, 0, []string{`"mine";r=1`, `"mine";r=1`}, nil},
		{"a guard in shadow", answer(200), []protect.Option{protect.RateLimitHeaders()}, mode.Shadow, 0, []string{"", ""}, nil},
		{"a limit in shadow", answer(200), []protect.Option{protect.RateLimitHeaders()}, 0, mode.Shadow, []string{"", ""}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limit, err := ratelimit.New("per_client", ratelimit.Config{Limit: 2, Per: time.Minute, Burst: 2, Mode: c.limit})
				if err != nil {
					t.Fatal(err)
				}
				if c.override != nil {
					if err := limit.SetOverrides(map[string]ratelimit.Override{"192.0.2.1": *c.override}); err != nil {
						t.Fatal(err)
					}
					c.opts = append(c.opts, protect.KeyBy(func(*http.Request) ratelimit.Key { return ratelimit.KeyOf("192.0.2.1") }))
				}
				h := protect.Handler(c.handler, newGuard(t, guard.Config{RateLimit: limit, Mode: c.guard, Timeout: time.Second}), c.opts...)
				for _, want := range c.want {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
					if got := w.Result().Header.Get("RateLimit"); got != want || want == `"default";r=1;t=30` && w.Result().Header.Get("RateLimit-Policy") != `"default";q=2;w=60` {
						t.Errorf("got %q, want %q; policy %q", got, want, w.Result().Header.Get("RateLimit-Policy"))
					}
				}
			})
		})
	}
}

func TestWriteRefusal_SpeaksGRPCToThoseWhoDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fault.New(fault.Spec{Code: fault.RateLimited, Component: "rate_limiter", Name: "secret", RetryAt: time.Now().Add(1500 * time.Millisecond)})
		for _, c := range []struct {
			major       int
			contentType string
			want        int
		}{
			{2, "application/grpc", 200},
			{2, "application/grpc+proto", 200},
			{2, "application/grpc;x=y", 200},
			{2, "application/grpc-web", 429},
			{2, "application/json", 429},
			{1, "application/grpc", 429},
		} {
			r := httptest.NewRequest(http.MethodPost, "/shop.Orders/Place", nil)
			r.ProtoMajor = c.major
			r.Header.Set("Content-Type", c.contentType)
			w := httptest.NewRecorder()
			protect.WriteRefusal(w, r, refused)
			h := w.Result().Header
			if w.Code != c.want || (h.Get("Grpc-Status") == "8" && h.Get("Grpc-Retry-Pushback-Ms") == "1500" && w.Body.Len() == 0) != (c.want == 200) {
				t.Errorf("%+v: %d %v %s", c, w.Code, h, w.Body)
			}
			if strings.Contains(fmt.Sprint(h), "secret") {
				t.Errorf("the public learns what it must not: %v", h)
			}
		}
	})
}
