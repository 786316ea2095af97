package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/pgtest"
)

// onPostgres records on a server, and has a guard whose upstream is not there.
func onPostgres(dsn, timeout string) func(gateway, admin string) string {
	return func(gateway, admin string) string {
		return fmt.Sprintf(`version: 1
admin: { listen: %q }
storage: { postgres: %q, wait: 500ms }
breakers: { up: { failure_threshold: 3, window: 10s, cooldown: 1h } }
guards: { up: { breaker: up, timeout: %s } }
gateway:
  listen: %q
  routes: [ { match: "/", upstream: "http://127.0.0.1:1", guard: up } ]
`, admin, dsn, timeout, gateway)
	}
}

// recordedStatus is what the status says of the record.
type recordedStatus struct {
	Verdict string
	Reasons []string
	Config  struct {
		Revision  uint64
		Drifted   bool
		Attention string
	}
	Storage struct {
		Kind, Away                        string
		Events                            uint64
		Emitted, Stored, Waiting, Dropped uint64
	}
}

func (d *daemon) recorded() (s recordedStatus) {
	d.t.Helper()
	d.ask("/v1/status", &s)
	return s
}

// caughtUp waits until nothing waits for the storage any more.
func (d *daemon) caughtUp() recordedStatus {
	d.t.Helper()
	d.until("the record has caught up", func() bool {
		s := d.recorded()
		return s.Storage.Away == "" && s.Storage.Waiting == 0 && s.Config.Attention == ""
	})
	s := d.recorded()
	if s.Storage.Dropped != 0 || s.Storage.Emitted != s.Storage.Stored+s.Storage.Waiting {
		d.t.Errorf("acknowledged + waiting + dropped is not what was emitted: %+v", s.Storage)
	}
	return s
}

// patch changes the timeout of the guard through the API.
func (d *daemon) patch(timeout, reason string) (status int, code string) {
	d.t.Helper()
	body := fmt.Sprintf(`{"guards": {"up": {"timeout": %q}}}`, timeout)
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPatch, "http://"+d.admin+"/v1/config?reason="+reason, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	resp, err := d.client.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	var problem struct{ Code string }
	if err := json.Unmarshal(raw, &problem); err != nil {
		d.t.Fatalf("%v: %s", err, raw)
	}
	return resp.StatusCode, problem.Code
}

func (d *daemon) timeout() string {
	d.t.Helper()
	var c struct {
		Document struct {
			Guards map[string]struct{ Timeout string }
		}
	}
	d.ask("/v1/config?format=json", &c)
	return c.Document.Guards["up"].Timeout
}

// changes lists the history, the oldest first, as "revision outcome source reason".
func (d *daemon) changes() []string {
	d.t.Helper()
	var list struct {
		Items []struct {
			Revision                uint64
			Outcome, Source, Reason string
		}
	}
	d.ask("/v1/config/history", &list)
	var out []string
	for _, r := range slices.Backward(list.Items) {
		source := r.Source
		if source == d.file {
			source = "file"
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", r.Revision, r.Outcome, source, r.Reason)))
	}
	return out
}

func (d *daemon) wantChanges(want ...string) {
	d.t.Helper()
	if got := d.changes(); !slices.Equal(got, want) {
		d.t.Errorf("the history holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// count returns how many events of a type are recorded.
func (d *daemon) count(query string) int {
	d.t.Helper()
	var page struct{ Items []json.RawMessage }
	d.ask("/v1/events?limit=1000&"+query, &page)
	return len(page.Items)
}

// isAway reports whether the status puts the storage first, in words.
func (d *daemon) isAway() bool {
	s := d.recorded()
	return s.Verdict == "attention" && s.Storage.Away != "" && strings.Contains(s.Reasons[0], "the storage is away since")
}

// TestPostgres_TheDaemonKeepsItsRecord goes through the life of a daemon whose record is
// on a PostgreSQL server: it is killed, the server is killed under it, and is not there
// at a start. No request waits for any of it.
func TestPostgres_TheDaemonKeepsItsRecord(t *testing.T) {
	server := pgtest.Running(t, "cmd/foundation with storage.postgres")
	d := serve(t, onPostgres(server.DSN(), "2s"))
	recordsOnPostgres(t, d)

	d.kill()
	d.start(t, nil)
	restoredFromPostgres(t, d)

	server.Kill()
	d.until("the status says that the storage is away", func() bool { d.as("a"); _, _ = d.patch("6s", "away"); return d.isAway() })
	worksWithoutPostgres(t, d, server)
	pgtest.Restart(t, server)
	s := d.caughtUp()
	if s.Config.Revision != 3 || !strings.Contains(d.text("http://"+d.admin+"/v1/events?type=config_server.applied"), `"revision": 3`) {
		t.Errorf("%+v", s)
	}
	history := d.changes()
	if !slices.Contains(history, "2 refused api away") || history[len(history)-1] != "3 applied file" {
		t.Errorf("the history after the outage: %q", history)
	}

	if code := d.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, d.stderr)
	}
	server.Stop()
	d.start(t, nil)
	absentAtTheStart(t, d, server)
}

// recordsOnPostgres causes events and revisions and finds them.
func recordsOnPostgres(t *testing.T, d *daemon) {
	t.Helper()
	for range 4 {
		d.as("a")
	}
	if status, code := d.patch("3s", "slow"); status != http.StatusOK {
		t.Fatalf("%d %s", status, code)
	}
	d.until("the event is recorded", func() bool { return d.count("type=circuit_breaker.state_change&name=up") == 1 })
	d.wantChanges("1 applied file", "2 applied api slow")
	out, errs, code := run(t, "events", "--type", "circuit_breaker.*", "--addr", d.admin)
	if code != 0 || !strings.Contains(out, "closed → open") {
		t.Errorf("%d %s%s", code, out, errs)
	}
}

// restoredFromPostgres looks at a daemon that was killed and started again.
func restoredFromPostgres(t *testing.T, d *daemon) {
	t.Helper()
	if s := d.recorded(); s.Config.Revision != 2 || !s.Config.Drifted || s.Storage.Kind != "postgres" || d.timeout() != "3s" {
		t.Errorf("%+v, timeout %s", s, d.timeout())
	}
	d.wantChanges("1 applied file", "2 applied api slow")
	if n := d.count("type=circuit_breaker.state_change&name=up"); n != 1 {
		t.Errorf("%d state changes are recorded", n)
	}
}

// worksWithoutPostgres changes what may be changed while the server is away.
func worksWithoutPostgres(t *testing.T, d *daemon, server *pgtest.Server) {
	t.Helper()
	if status, code := d.patch("7s", "away"); status != http.StatusServiceUnavailable || code != "unavailable" {
		t.Errorf("a change that cannot be recorded: %d %s", status, code)
	}
	if d.timeout() != "3s" || d.recorded().Config.Revision != 2 {
		t.Errorf("timeout %s, %+v", d.timeout(), d.recorded())
	}
	d.write(t, onPostgres(server.DSN(), "9s")(d.gateway, d.admin))
	if _, errs, code := run(t, "reload", "--addr", d.admin); code != 0 || d.timeout() != "9s" {
		t.Errorf("a change of the file: %d %s, timeout %s", code, errs, d.timeout())
	}
	_, errs, code := run(t, "events", "--addr", d.admin)
	if code != 1 || !strings.Contains(errs, "the server cannot be reached") || strings.Count(errs, "Error:") != 1 {
		t.Errorf("reading the events: %d %s", code, errs)
	}
	if _, errs, code = run(t, "storage", "backup", t.TempDir()+"/copy.db", "--addr", d.admin); code != 1 || !strings.Contains(errs, "pg_dump") {
		t.Errorf("a backup: %d %s", code, errs)
	}
}

// absentAtTheStart looks at a daemon that was started before its server.
func absentAtTheStart(t *testing.T, d *daemon, server *pgtest.Server) {
	t.Helper()
	if !d.isAway() {
		t.Errorf("%+v", d.recorded())
	}
	if d.as("a").status != http.StatusBadGateway {
		t.Error("the gateway does not serve")
	}
	if status, code := d.patch("7s", "absent"); status != http.StatusServiceUnavailable || code != "unavailable" {
		t.Errorf("%d %s", status, code)
	}
	before := d.recorded().Config.Revision
	pgtest.Restart(t, server)
	if s := d.caughtUp(); before != 1 || s.Config.Revision != 4 {
		t.Errorf("revision %d became %d, want 1 and the next of the history", before, s.Config.Revision)
	}
	if status, _ := d.patch("8s", "back"); status != http.StatusOK || d.timeout() != "8s" {
		t.Errorf("a change once it is back: %d, timeout %s", status, d.timeout())
	}
	history := d.changes()
	if !slices.Contains(history, "4 refused api absent") || history[len(history)-1] != "5 applied api back" {
		t.Errorf("%q", history)
	}
}
