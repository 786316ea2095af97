package admin_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	foundation "github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/admin"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/telemetry"
)

func TestLogLevel_IsSetForATimeAndTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, level := telemetry.NewBus(), new(slog.LevelVar)
		layer, err := foundation.Open(t.Context(), foundation.Options{Bus: bus})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var told []admin.LogLevelChanged
		if _, err := telemetry.Subscribe(bus, "test", func(_ context.Context, e admin.LogLevelChanged) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e)
		}); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		api := admin.New(layer, admin.Options{
			Access: admin.Access{Authenticate: func(*http.Request) (string, bool, bool) { return "me", true, true }}, LogLevel: level, Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level})),
		})
		put := func(body string) (v adminapi.LogLevel, code int) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPut, "/v1/log_level", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			api.ServeHTTP(w, r)
			_ = json.Unmarshal(w.Body.Bytes(), &v) // a problem is none
			return v, w.Code
		}
		v, code := put(`{"level": "debug", "for_seconds": 600, "reason": "to see more"}`)
		if code != 200 || v.Level != "debug" || v.Configured != "info" || v.RemainingSeconds != 600 || v.Actor != "me" || v.Reason != "to see more" || level.Level() != slog.LevelDebug {
			t.Errorf("%d %+v, level %v", code, v, level.Level())
		}
		time.Sleep(5 * time.Minute)
		if v, _ := put(`{"level": "error", "for_seconds": 600}`); v.RemainingSeconds != 600 || level.Level() != slog.LevelError {
			t.Errorf("%+v", v)
		}
		time.Sleep(6 * time.Minute) // the first is over, the second is not
		if level.Level() != slog.LevelError {
			t.Errorf("a change that was replaced has ended the one after it: %v", level.Level())
		}
		time.Sleep(5 * time.Minute)
		if level.Level() != slog.LevelInfo {
			t.Errorf("it has not gone back: %v", level.Level())
		}
		if v, _ := put(`{"level": "warn"}`); v.Level != "warn" || !v.Until.IsZero() {
			t.Errorf("for good: %+v", v)
		}
		if v, _ := put(`{"level": "info", "for_seconds": 10}`); v.Level != "info" || v.Actor != "" || v.RemainingSeconds != 0 {
			t.Errorf("the configured one: %+v", v)
		}
		for _, bad := range []string{`{"level": "loud"}`, `{"level": ""}`, `{"level": "debug", "for_seconds": -1}`, `{"level": "debug", "for_seconds": 1e9}`, `{"level": "debug", "fancy": 1}`} {
			if _, code := put(bad); code != 400 {
				t.Errorf("%s: %d", bad, code)
			}
		}
		if _, code := put(`{"level": "debug", "for_seconds": 60}`); code != 200 {
			t.Error(code)
		}
		api.Close()
		if err := layer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if level.Level() != slog.LevelInfo {
			t.Errorf("after the end: %v", level.Level())
		}
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 6 || told[0].From != "info" || told[0].To != "debug" || told[0].Actor != "me" || told[2].To != "info" || told[2].Actor != "" {
			t.Errorf("%+v", told)
		}
		if n := strings.Count(out.String(), "log level changed"); n != 6 {
			t.Errorf("%d lines: %s", n, out.String())
		}
	})
}

func TestLogLevel_ThereMayBeNone(t *testing.T) {
	ask, _ := roles(t, admin.Options{})
	if resp, text := ask(mayRead, "GET", "/v1/log_level", ""); resp.StatusCode != http.StatusNotFound || !strings.Contains(text, "no level") {
		t.Errorf("%s %s", resp.Status, text)
	}
	if resp, _ := ask(mayWrite, "PUT", "/v1/log_level", `{"level": "debug"}`); resp.StatusCode != http.StatusNotFound {
		t.Error(resp.Status)
	}
	level := new(slog.LevelVar)
	ask, _ = roles(t, admin.Options{LogLevel: level})
	if resp, _ := ask(mayRead, "PUT", "/v1/log_level", `{"level": "debug"}`); resp.StatusCode != http.StatusForbidden || level.Level() != slog.LevelInfo {
		t.Error(resp.Status)
	}
}
