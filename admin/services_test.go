package admin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/supervise"
)

func asProblem(err error, p **adminapi.Problem) bool { return errors.As(err, p) }

func TestServices_WorstFirstAndRestarted(t *testing.T) {
	r := recording(t)
	fail := make(chan struct{}, 1)
	fail <- struct{}{}
	running := make(chan struct{})
	err := r.layer.Supervise("mailer", supervise.Func(func(ctx context.Context) error {
		select {
		case <-fail:
			return supervise.Permanent(errors.New("no route to host"))
		default:
		}
		running <- struct{}{}
		<-ctx.Done()
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	var s adminapi.Service
	for s.State != "failed" { // as soon as the goroutine has run
		r.ask(http.MethodGet, "/v1/services/mailer", "", &s)
	}
	if s.LastError != "no route to host" || s.Incarnation != 1 || s.TotalFailures != 1 || s.FailedAt.IsZero() {
		t.Errorf("%+v", s)
	}
	var all adminapi.List[adminapi.Service]
	if r.ask(http.MethodGet, "/v1/services", "", &all); len(all.Items) < 2 || all.Items[0].Name != "mailer" {
		t.Errorf("%+v", all)
	}
	var status adminapi.Status
	if r.ask(http.MethodGet, "/v1/status", "", &status); len(status.Reasons) != 1 || !strings.Contains(status.Reasons[0], "no route to host; see 'foundation service restart mailer'") {
		t.Errorf("%q", status.Reasons)
	}
	for body, want := range map[string]int{`{}`: 400, `{"reason":"x","y":1}`: 400} {
		if code := r.ask(http.MethodPost, "/v1/services/mailer/restart", body, nil); code != want {
			t.Errorf("%s: %d", body, code)
		}
	}
	if code := r.ask(http.MethodPost, "/v1/services/nobody/restart", `{"reason":"x"}`, nil); code != http.StatusNotFound {
		t.Errorf("a service that there is not: %d", code)
	}
	if code := r.ask(http.MethodPost, "/v1/services/mailer/restart", `{"reason":"the route is back"}`, &s); code != http.StatusOK || s.Name != "mailer" {
		t.Errorf("%d %+v", code, s)
	}
	select {
	case <-running:
	case <-time.After(10 * time.Second):
		t.Fatal("it was not started again")
	}
	var page adminapi.Events
	r.ask(http.MethodGet, "/v1/events?type=service.restart_requested", "", &page)
	if len(page.Items) != 1 || !strings.Contains(string(page.Items[0].Data), `"ops"`) || !strings.Contains(string(page.Items[0].Data), "the route is back") {
		t.Errorf("%+v", page.Items)
	}
}

func TestStatus_SaysWhereEventsAreKept(t *testing.T) {
	var s adminapi.Status
	if newRig(t).ask(http.MethodGet, "/v1/status", "", &s); s.Storage.Kind != "" || s.Services == nil {
		t.Errorf("%+v", s.Storage)
	}
	if recording(t).ask(http.MethodGet, "/v1/status", "", &s); s.Storage.Kind != "memory" || s.Storage.Durable || s.Storage.Events < 4 || s.Verdict != "ok" {
		t.Errorf("%+v %s %q", s.Storage, s.Verdict, s.Reasons)
	}
}

func TestBackup_IsSentWhole(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r.http)
	defer server.Close()
	c := &adminapi.Client{Address: server.URL, Token: token, HTTP: server.Client()}
	var text strings.Builder
	var length int64
	n, err := c.Download(t.Context(), "/v1/storage/backup", &text, func(total int64) { length = total })
	if err != nil || text.String() != "a copy" || n != 6 || length != 6 {
		t.Errorf("%d of %d, %v: %q", n, length, err, text.String())
	}
	r.shell.err = fault.New(fault.Spec{Code: fault.Unavailable, Message: "another backup is being made"})
	if _, err := c.Download(t.Context(), "/v1/storage/backup", &text, func(int64) {}); !errors.Is(err, fault.Unavailable) || text.Len() != 6 {
		t.Errorf("%v", err)
	}
}

// A reason goes into the log, the events and the history: none of them is for a megabyte.
func TestReasons_AreBounded(t *testing.T) {
	r := recording(t)
	long := strings.Repeat("r", 1025)
	for path, body := range map[string]string{
		"/v1/services/retention/restart": `{"reason":"` + long + `"}`,
		"/v1/config/rollback":            `{"revision":1,"reason":"` + long + `"}`,
		"/v1/reload":                     `{"reason":"` + long + `"}`,
	} {
		if code := r.ask(http.MethodPost, path, body, nil); code != http.StatusBadRequest {
			t.Errorf("%s with a reason of %d bytes: %d", path, len(long), code)
		}
	}
	patch := http.Header{"Content-Type": {"application/merge-patch+json"}}
	if code := r.askWith(http.MethodPatch, "/v1/config?reason="+long, `{}`, nil, patch); code != http.StatusBadRequest {
		t.Errorf("a patch: %d", code)
	}
	if code := r.ask(http.MethodPost, "/v1/services/retention/restart", `{"reason":"`+long[1:]+`"}`, nil); code != http.StatusOK {
		t.Errorf("a reason of %d bytes: %d", len(long)-1, code)
	}
}
