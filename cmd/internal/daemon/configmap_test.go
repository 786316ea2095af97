package daemon_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/cmd/internal/daemon"
)

// mounted is a ConfigMap as a kubelet mounts it: the file is a link into ..data, which is a
// link to a directory that a whole new one takes the place of.
type mounted struct {
	*testing.T

	dir      string
	versions int
}

func mount(t *testing.T, text string) *mounted {
	t.Helper()
	m := &mounted{T: t, dir: t.TempDir()}
	m.swap(text)
	m.must(os.Symlink(filepath.Join("..data", "foundation.yaml"), m.file()))
	return m
}

func (m *mounted) file() string { return filepath.Join(m.dir, "foundation.yaml") }

func (m *mounted) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// swap is what a kubelet does, step by step.
func (m *mounted) swap(text string) {
	m.Helper()
	old := fmt.Sprintf("..2026_%d", m.versions)
	m.versions++
	next := fmt.Sprintf("..2026_%d", m.versions)
	m.must(os.Mkdir(filepath.Join(m.dir, next), 0o700))
	m.must(os.WriteFile(filepath.Join(m.dir, next, "foundation.yaml"), []byte(text), 0o600))
	m.must(os.Symlink(next, filepath.Join(m.dir, "..data_tmp")))
	m.must(os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")))
	m.must(os.RemoveAll(filepath.Join(m.dir, old)))
}

// watched is a daemon that watches its file and records on disk.
type watched struct {
	*testing.T

	d *daemon.Daemon
	c *http.Client
}

// seen is what the API tells of the configuration.
type seen struct {
	revision  uint64
	drifted   bool
	lastError string
	timeout   string   // of the guard
	changes   []string // of the history, the oldest first
}

func (w *watched) ask(path string, into any) {
	w.Helper()
	_, text := get(w.T, w.c, "http://"+w.d.Address("admin")+path)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		w.Fatalf("%v: %s", err, text)
	}
}

func (w *watched) look() (s seen) {
	w.Helper()
	var status struct {
		Config struct {
			Revision        uint64
			Drifted         bool
			LastReloadError string `json:"last_reload_error"`
		}
	}
	var list struct {
		Items []struct {
			Revision        uint64
			Outcome, Source string
		}
	}
	var now struct {
		Document struct {
			Guards map[string]struct{ Timeout string }
		}
	}
	// In this order, what is seen of a change is seen of all that is asked for later.
	w.ask("/v1/config?format=json", &now)
	w.ask("/v1/status", &status)
	w.ask("/v1/config/history", &list)
	for _, r := range slices.Backward(list.Items) {
		source := "file"
		if r.Source == "api" {
			source = r.Source
		}
		s.changes = append(s.changes, fmt.Sprintf("%d %s %s", r.Revision, r.Outcome, source))
	}
	s.revision, s.drifted, s.lastError = status.Config.Revision, status.Config.Drifted, status.Config.LastReloadError
	s.timeout = now.Document.Guards["g"].Timeout
	return s
}

// until waits until ok is satisfied with what it sees.
func (w *watched) until(what string, ok func(seen) bool) seen {
	w.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s := w.look()
		if ok(s) {
			return s
		}
		select {
		case <-tick.C:
		case <-deadline:
			w.Fatalf("never: %s: %+v", what, s)
		}
	}
}

func (w *watched) wantChanges(s seen, want ...string) {
	w.Helper()
	if got := strings.Join(s.changes, ", "); got != strings.Join(want, ", ") {
		w.Errorf("the history is %s, want %s", got, strings.Join(want, ", "))
	}
}

// TestWatch_AConfigMapThatIsSwapped also holds torn writes and bad files that are taken
// back against a history on disk: what is not good is never in force, and what was changed
// through the API outlives a file that says at last what it said before.
func TestWatch_AConfigMapThatIsSwapped(t *testing.T) {
	storage := filepath.Join(t.TempDir(), "data")
	text := func(timeout string) string {
		// One flow mapping: no part of it is a document of its own.
		return fmt.Sprintf(`{version: 1, admin: {listen: "127.0.0.1:0"}, storage: {path: %q}, guards: {g: {timeout: %s}}}`, storage, timeout)
	}
	m := mount(t, text("1s"))
	w := &watched{t, run(t, daemon.Options{ConfigFile: m.file(), WatchEvery: 3 * time.Millisecond}), client(t, nil)}

	m.swap(text("2s"))
	s := w.until("the swap is taken over", func(s seen) bool { return s.timeout == "2s" })
	w.wantChanges(s, "1 applied file", "2 applied file")

	m.swap(text("3s") + "}")
	s = w.until("the bad file is refused", func(s seen) bool { return s.lastError != "" })
	if s.timeout != "2s" || s.revision != 2 {
		t.Errorf("a bad file has changed something: %+v", s)
	}
	w.wantChanges(s, "1 applied file", "2 applied file", "2 refused file")

	w.patch(`{"guards": {"g": {"timeout": "5s"}}}`)
	m.swap(text("2s") + " # as it was\n")
	s = w.until("the file is good again", func(s seen) bool { return s.lastError == "" })
	if s.timeout != "5s" || s.revision != 3 || !s.drifted {
		t.Errorf("a file that says what it said before has given up the change through the API: %+v", s)
	}
	w.wantChanges(s, "1 applied file", "2 applied file", "2 refused file", "3 applied api")

	w.tear(m, text("4s"))
	s = w.until("the file is whole", func(s seen) bool { return s.timeout == "4s" && s.lastError == "" })
	if s.revision != 4 || s.drifted || s.changes[len(s.changes)-1] != "4 applied file" {
		t.Errorf("%+v", s)
	}
}

func (w *watched) patch(text string) {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), http.MethodPatch, "http://"+w.d.Address("admin")+"/v1/config", strings.NewReader(text))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/merge-patch+json")
	resp, err := w.c.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		w.Fatalf("%d, %v", resp.StatusCode, err)
	}
}

// tear writes a file byte after byte, and looks at it in every tenth state: nothing but
// what was in force before or the whole may be.
func (w *watched) tear(m *mounted, text string) {
	w.Helper()
	before := w.look()
	f, err := os.OpenFile(m.file(), os.O_WRONLY|os.O_TRUNC, 0o600)
	m.must(err)
	for i := range len(text) - 1 {
		_, err := f.WriteString(text[i : i+1])
		m.must(err)
		if i%10 > 0 {
			continue
		}
		if s := w.look(); s.timeout != before.timeout || s.revision != before.revision {
			w.Errorf("after %d of %d bytes: %+v", i+1, len(text), s)
		}
	}
	_, err = f.WriteString(text[len(text)-1:])
	m.must(err)
	m.must(f.Close())
}
