package pagetest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/admin/web"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
)

// fake is an API whose answers a test chooses: for what a real layer cannot be brought to show
// in seconds, or at all.
type fake struct {
	*httptest.Server

	mu      sync.Mutex
	frame   adminapi.Frame
	me      adminapi.Me
	token   string         // that is wanted; "" for none
	answers map[string]any // by path
	streams int            // that are open
	asked   []string       // method and path of what changes something, with its body
	changed chan struct{}  // closed when there is another frame, or the streams are to end
	cut     bool           // streams end at once
	silent  bool           // streams say nothing
	full    bool           // there are too many streams
	resumed []string       // the ids that streams were to continue after
	refused *adminapi.Problem
}

// newFake returns an API with the frame of the incident that the data of package adminapi has.
func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{me: adminapi.Me{APIVersion: "v1", Actor: "ops", Write: true}, answers: map[string]any{}, changed: make(chan struct{})}
	text, err := os.ReadFile("../../../internal/adminapi/testdata/frame.example.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &f.frame); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", web.Handler())
	mux.HandleFunc("/v1/", f.api)
	mux.Handle("/ops/foundation/", http.StripPrefix("/ops/foundation", mux))
	f.Server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.end()
		f.Server.CloseClientConnections()
		f.Close()
	})
	return f
}

// refuse refuses all changes from now on, with a detail; "" accepts them again.
func (f *fake) refuse(detail string, problems []fault.Problem) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = nil
	if detail != "" {
		f.refused = &adminapi.Problem{Title: "invalid", Status: http.StatusBadRequest, Detail: detail, Code: "invalid_config", Problems: problems}
	}
}

// accept answers a change as the API does, as far as the page reads it.
func (f *fake) accept(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1/memory"):
		writeJSON(w, http.StatusOK, f.answers["memory"])
	default:
		writeJSON(w, http.StatusOK, adminapi.Applied{Revision: 4, DryRun: r.URL.Query().Has("dry_run"), Changes: []adminapi.Change{}, Warnings: []fault.Problem{}})
	}
}

// end cuts all streams and answers no other.
func (f *fake) end() {
	f.set(func() { f.cut = true })
}

// set changes what is answered, and sends another frame.
func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	f.frame.Seq++
	f.frame.At = f.frame.At.Add(time.Second)
	close(f.changed)
	f.changed = make(chan struct{})
}

// row is a row of the frame, to be changed within set.
func (f *fake) row(id string) *adminapi.FrameRow {
	for i := range f.frame.Rows {
		if f.frame.Rows[i].ID == id {
			return &f.frame.Rows[i]
		}
	}
	panic("no row " + id)
}

func (f *fake) api(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	want := f.token
	f.mu.Unlock()
	if want != "" && r.Header.Get("Authorization") != "Bearer "+want {
		writeJSON(w, http.StatusUnauthorized, adminapi.Problem{Title: "forbidden", Status: 401, Detail: "the request carries no valid token", Code: "forbidden"})
		return
	}
	switch {
	case r.URL.Path == "/v1/frames":
		f.stream(w, r)
	case r.Method != http.MethodGet:
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body) // some have none
		f.mu.Lock()
		f.asked = append(f.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body))
		refused := f.refused
		f.mu.Unlock()
		if refused != nil {
			writeJSON(w, refused.Status, refused)
			return
		}
		f.accept(w, r)
	default:
		f.answer(w, r)
	}
}

func (f *fake) answer(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch v, ok := f.answers[strings.TrimPrefix(r.URL.Path, "/v1/")]; {
	case r.URL.Path == "/v1/me":
		writeJSON(w, http.StatusOK, f.me)
	case r.URL.Path == "/v1/frame":
		writeJSON(w, http.StatusOK, f.frame)
	case ok:
		writeJSON(w, http.StatusOK, v)
	default:
		writeJSON(w, http.StatusNotFound, adminapi.Problem{Title: "not found", Status: 404, Detail: "the fake has no " + r.URL.Path, Code: "not_found"})
	}
}

func (f *fake) stream(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	full := f.full
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		f.resumed = append(f.resumed, id)
	}
	f.mu.Unlock()
	if full {
		writeJSON(w, http.StatusServiceUnavailable, adminapi.Problem{Title: "unavailable", Status: http.StatusServiceUnavailable, Detail: "too many streams"})
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	f.count(1)
	defer f.count(-1)
	for {
		f.mu.Lock()
		frame, changed, cut, silent := f.frame, f.changed, f.cut, f.silent
		text, err := json.Marshal(frame)
		f.mu.Unlock()
		if err != nil || cut {
			return
		}
		if !silent {
			if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", frame.Seq, text); err != nil {
				return
			}
		}
		_ = http.NewResponseController(w).Flush() // the next write fails as well
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fake) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams += n
}

// watched is how many streams are open.
func (f *fake) watched() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams
}

// continued is whether a stream was to continue after a frame.
func (f *fake) continued() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.resumed) > 0
}

// requests are those that were to change something.
func (f *fake) requests() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.asked, "\n")
}

// until waits until a condition of the server holds.
func (f *fake) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	over := time.NewTimer(patience)
	defer over.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-over.C:
			t.Fatalf("not: %s", what)
		}
	}
}

// beat sends a frame every so often until the test ends, as a living layer does.
func (f *fake) beat(t *testing.T, every time.Duration) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	ticker := time.NewTicker(every)
	go func() {
		defer close(done)
		for {
			select {
			case <-ticker.C:
				f.set(func() {})
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		ticker.Stop()
		close(stop)
		<-done
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.ReplaceAll(text, []byte(":null"), []byte(":[]"))) // as in the API, a list is there; a page that left needs no answer
}
