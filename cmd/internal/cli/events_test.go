package cli_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/cli"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// events are what an incident leaves behind, newest first, as the API answers them.
func events() []adminapi.Event {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.Local)
	event := func(seq int, severity, kind, name, data string) adminapi.Event {
		return adminapi.Event{Seq: uint64(seq), Time: at.Add(time.Duration(seq) * 1500 * time.Millisecond), Severity: severity, Type: kind, Name: name, Data: json.RawMessage(data)}
	}
	return []adminapi.Event{
		event(9, "info", "circuit_breaker.state_change", "payments", `{"name":"payments","from":"half-open","cause":"probes_succeeded","generation":3,"revision":7}`),
		event(8, "info", "deploy.started", "shop", `{"actor":"ops","version":"1.2.3"}`),
		event(7, "error", "supervisor.service_failed", "mailer", `{"service":"mailer","err":"no route to host\u001b[2J","incarnation":3,"ran_seconds":0.25,"stack":"goroutine 1…"}`),
		event(6, "info", "guard.refused", "checkout", `{"code":"rate_limited","count":12,"since":"2026-11-23T12:00:00Z"}`),
		event(5, "warning", "circuit_breaker.state_change", "payments", `{"name":"payments","to":"open","cause":"failure_threshold","evidence":[{"name":"failures","value":5,"limit":5,"bounded":true},{"name":"window","value":10,"unit":"seconds"},{"name":"config_revision","value":7}],"shadow":true}`),
		event(4, "info", "config_server.applied", "", `{"revision":7,"source":"foundation.yaml","actor":"ops","reason":"calm down","changes":[{"section":"breakers","name":"payments","action":"changed"}]}`),
		event(3, "info", "registry.registered", "guards/checkout", `{"name":{"namespace":"guards","name":"checkout"},"type":"*guard.Guard"}`),
	}
}

func TestEventsAreLinesAPersonReads(t *testing.T) {
	addr, _ := daemon(t)
	got := run(t, map[string]string{"FOUNDATION_ADDR": addr}, "events")
	if got.code != cli.ExitOK || !strings.Contains(got.err, "there are older ones") {
		t.Errorf("%d %s", got.code, got.err)
	}
	golden(t, "events.txt", got.out)
}

// streaming is a daemon whose streams end after every event, as if it restarted.
func streaming(t *testing.T) (addr string, asked *[]string) {
	t.Helper()
	var seen []string
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(adminapi.Events{Items: events()[6:]})
	})
	mux.HandleFunc("GET /v1/events/stream", func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.URL.RawQuery)
		for _, e := range events()[:6] {
			if after := r.URL.Query().Get("after"); fmt.Sprint(e.Seq-1) == after {
				raw, _ := json.Marshal(e)
				fmt.Fprintf(w, ": begins\n\nid: %d\ndata: %s\n\n", e.Seq, raw)
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, &seen
}

func TestFollowingGoesOnWhereAStreamEnded(t *testing.T) {
	addr, asked := streaming(t)
	for _, form := range []string{"table", "json", "yaml"} {
		*asked = nil
		ctx, cancel := timeoutContext(t, 1500*time.Millisecond)
		var out, errs strings.Builder
		code := cli.Run(ctx, cli.Env{Stdout: &out, Stderr: &errs, Program: "foundation"}, []string{"events", "-f", "--type", "*", "--addr", addr, "-o", form})
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if code != cli.ExitOK || errs.Len() > 0 || len(*asked) < 2 || !strings.HasPrefix((*asked)[0], "after=3&") || !strings.HasPrefix((*asked)[1], "after=4&") {
			t.Errorf("%s: exit code %d, asked %q\n%s", form, code, *asked, errs.String())
		}
		lines := strings.Count(out.String(), "\n")
		switch form {
		case "table":
			if strings.Count(out.String(), "SEVERITY") != 1 || lines != 1+1+len(*asked) {
				t.Errorf("%s", out.String())
			}
		case "json":
			for line := range strings.Lines(out.String()) {
				var e adminapi.Event
				if err := json.Unmarshal([]byte(line), &e); err != nil || e.Seq == 0 {
					t.Errorf("%v: %s", err, line)
				}
			}
		case "yaml":
			if strings.Count(out.String(), "---\n") != 1+len(*asked) {
				t.Errorf("%s", out.String())
			}
		}
	}
}

func TestBackupIsWrittenWholeOrNotAtAll(t *testing.T) {
	cut := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "6")
		_, _ = w.Write([]byte("abc"))
		if cut {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte("def"))
	}))
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "copy.db")
	if got := run(t, nil, "storage", "backup", file, "--addr", server.URL); got.code != cli.ExitOK || !strings.Contains(got.out, "storage check") {
		t.Errorf("%+v", got)
	}
	cut = true
	if got := run(t, nil, "storage", "backup", file, "--addr", server.URL); got.code == cli.ExitOK || !strings.Contains(got.err, "ended early") {
		t.Errorf("%+v", got)
	}
	text, err := os.ReadFile(file)
	info, _ := os.Stat(file)
	entries, _ := os.ReadDir(dir)
	if err != nil || string(text) != "abcdef" || info.Mode().Perm() != 0o600 || len(entries) != 1 {
		t.Errorf("%v %q %v %v", err, text, info.Mode(), entries)
	}
}
