package admin_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/adminapi"
	"github.com/elixirscope/foundation/registry"
)

// recording is an API over a layer that keeps events, with four of them about "shop".
func recording(t *testing.T) *rig {
	t.Helper()
	r := newRigOn(t, &config.Storage{})
	feed, err := registry.Lookup[*eventstore.Feed](r.layer.Registry(), "foundation", "events")
	if err != nil {
		t.Fatal(err)
	}
	var events []eventstore.Event
	for i, kind := range []string{"a.one", "a.two", "b.one", "b.two"} {
		events = append(events, eventstore.Event{
			Type: kind, Name: "shop", Component: kind[:1], Correlation: fmt.Sprint(i), Severity: fault.SeverityWarning, Data: []byte(`{"i":1}`),
		})
	}
	if _, err := feed.Append(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
	return r
}

func types(events []adminapi.Event) string {
	var list []string
	for _, e := range events {
		list = append(list, e.Type)
	}
	return strings.Join(list, " ")
}

func TestEvents_AreFoundByWhatIsAskedFor(t *testing.T) {
	r := recording(t)
	for query, want := range map[string]string{
		"name=shop":                            "a.one a.two b.one b.two",
		"name=shop&type=a.*":                   "a.one a.two",
		"name=shop&component=a&component=b":    "a.one a.two b.one b.two",
		"name=shop&component=b":                "b.one b.two",
		"correlation=2":                        "b.one",
		"name=shop&severity=warning&limit=1":   "a.one",
		"name=shop&severity=error":             "",
		"name=shop&order=descending&limit=2":   "b.two b.one",
		"name=shop&since=1h":                   "a.one a.two b.one b.two",
		"name=shop&since=7d&until=1d":          "",
		"name=shop&since=1d12h":                "a.one a.two b.one b.two",
		"name=shop&until=2026-01-01T00:00:00Z": "",
	} {
		var page adminapi.Events
		if code := r.ask(http.MethodGet, "/v1/events?"+query, "", &page); code != http.StatusOK || types(page.Items) != want {
			t.Errorf("%s: %d %s, want %s", query, code, types(page.Items), want)
		}
	}
	var first, second adminapi.Events
	r.ask(http.MethodGet, "/v1/events?name=shop&limit=3", "", &first)
	r.ask(http.MethodGet, fmt.Sprintf("/v1/events?name=shop&after=%d", first.Next), "", &second)
	if !first.More || types(second.Items) != "b.two" {
		t.Errorf("%+v, then %s", first, types(second.Items))
	}
}

func TestEvents_RefuseAQueryWithAllItsFaults(t *testing.T) {
	r := recording(t)
	var p adminapi.Problem
	code := r.ask(http.MethodGet, "/v1/events?type=a%20b&severity=loud&since=yesterday&until=-1m&after=x&limit=99999&order=up&labels=y&name=a&name=b", "", &p)
	if code != http.StatusBadRequest || p.Code != fault.InvalidArgument.String() {
		t.Errorf("%d %s", code, p.Code)
	}
	var fields []string
	for _, problem := range p.Problems {
		fields = append(fields, problem.Field)
	}
	for _, want := range []string{"type", "severity", "since", "until", "after", "limit", "order", "labels", "name"} {
		if !strings.Contains(" "+strings.Join(fields, " ")+" ", " "+want+" ") {
			t.Errorf("%s is not among the faults %v", want, fields)
		}
	}
	if code := r.ask(http.MethodGet, "/v1/events/stream?limit=1", "", &p); code != http.StatusBadRequest {
		t.Errorf("a stream takes a limit: %d", code)
	}
	if code := r.askWith(http.MethodGet, "/v1/events/stream", "", &p, http.Header{"Last-Event-Id": {"x"}}); code != http.StatusBadRequest {
		t.Errorf("a stream continues after x: %d", code)
	}
}

func TestEvents_WithoutARecordSayWhatToSet(t *testing.T) {
	r := newRig(t)
	for _, request := range []string{"GET /v1/events", "GET /v1/events/stream", "POST /v1/events"} {
		method, path, _ := strings.Cut(request, " ")
		var p adminapi.Problem
		if code := r.ask(method, path, `{"type":"deploy"}`, &p); code != http.StatusNotFound || !strings.Contains(p.Detail, "storage: { path:") {
			t.Errorf("%s: %d %s", request, code, p.Detail)
		}
	}
}

func TestAnnotations_NoteWhoSentThem(t *testing.T) {
	r := recording(t)
	var e adminapi.Event
	code := r.ask(http.MethodPost, "/v1/events", `{"type":"deploy.started","name":"shop","severity":"warning","data":{"version":"1.2"}}`, &e)
	if code != http.StatusOK || e.Seq == 0 || e.ID == "" || e.Component != "annotation" || e.Severity != "warning" {
		t.Errorf("%d %+v", code, e)
	}
	if data := strings.ReplaceAll(strings.ReplaceAll(string(e.Data), "\n", ""), " ", ""); data != `{"actor":"ops","version":"1.2"}` {
		t.Errorf("data %s", data)
	}
	for body, want := range map[string]string{
		`{}`:                                       "type: must not be empty",
		`{"type":"x y","severity":"loud"}`:         "severity",
		`{"type":"x","data":[1]}`:                  "object",
		`{"type":"x","data":{"actor":"root"}}`:     "actor",
		`{"type":"x","component":"guard"}`:         "component",
		`{"type":"x","id":"` + e.ID + `"}`:         "stored already",
		`{"type":"elixir_scope.foundation.infra."`: "cannot be read",
	} {
		var p adminapi.Problem
		if code := r.ask(http.MethodPost, "/v1/events", body, &p); code < 400 || code >= 500 || !strings.Contains(p.Detail, want) || strings.Contains(p.Detail, "events[0]") {
			t.Errorf("%s: %d %s", body, code, p.Detail)
		}
	}
}

// follow reads a stream until it has so many events, then lets go of it.
func follow(t *testing.T, r *rig, path string, header http.Header, n int, meanwhile func()) (ids []string, events string) {
	t.Helper()
	server := httptest.NewServer(r.http)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(resp.Status)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // it has begun
	meanwhile()
	var text strings.Builder
	for len(ids) < n && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			ids = append(ids, id)
			lines.Scan()
			text.WriteString(lines.Text())
		}
	}
	return ids, text.String()
}

func TestStream_ContinuesAfterWhatWasSeen(t *testing.T) {
	r := recording(t)
	post := func() { r.ask(http.MethodPost, "/v1/events", `{"type":"deploy.started","name":"shop"}`, nil) }
	ids, text := follow(t, r, "/v1/events/stream?name=shop", http.Header{}, 1, post)
	if len(ids) != 1 || !strings.Contains(text, `"type":"deploy.started"`) {
		t.Errorf("from now on: %v %s", ids, text)
	}
	last := ids[0]
	ids, text = follow(t, r, "/v1/events/stream?name=shop&after=0", http.Header{}, 5, func() {})
	if len(ids) != 5 || ids[4] != last || !strings.Contains(text, "a.one") {
		t.Errorf("from the beginning: %v %s", ids, text)
	}
	rest, _ := follow(t, r, "/v1/events/stream?name=shop&after=0", http.Header{"Last-Event-Id": {ids[2]}}, 2, func() {})
	if fmt.Sprint(rest) != fmt.Sprint(ids[3:]) {
		t.Errorf("after %s: %v, want %v", ids[2], rest, ids[3:])
	}
	// A store that has begun anew since, as one in memory: its places are all new.
	anew, _ := follow(t, r, "/v1/events/stream?name=shop", http.Header{"Last-Event-Id": {"999999"}}, 5, func() {})
	if len(anew) != 5 {
		t.Errorf("after a place that the store has not reached: %v", anew)
	}
}

func TestStream_EndsWithTheHandler(t *testing.T) {
	r := recording(t)
	if ids, _ := follow(t, r, "/v1/events/stream", http.Header{}, 1, r.end); len(ids) > 0 {
		t.Errorf("%v", ids)
	}
}

func TestClient_FollowsAStream(t *testing.T) {
	r := recording(t)
	server := httptest.NewServer(r.http)
	defer server.Close()
	c := &adminapi.Client{Address: server.URL, Token: token, HTTP: server.Client()}
	var seen []adminapi.Event
	err := c.Follow(t.Context(), "/v1/events/stream?name=shop&after=0", func(e adminapi.Event) error {
		if seen = append(seen, e); len(seen) == 4 {
			r.end()
		}
		return nil
	})
	if err != nil || types(seen) != "a.one a.two b.one b.two" {
		t.Errorf("%v: %s", err, types(seen))
	}
	var p *adminapi.Problem
	if err := c.Follow(t.Context(), "/v1/events/stream?x=1", nil); !asProblem(err, &p) || len(p.Problems) != 1 {
		t.Errorf("%v", err)
	}
}
