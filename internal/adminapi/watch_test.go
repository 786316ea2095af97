package adminapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

// A watcher puts together what a stream says in parts, and continues behind what it has seen.
func TestWatcher_ShowsWholeFrames(t *testing.T) {
	var asked []string
	streams := []string{
		`id: 7
data: {"seq":7,"full":true,"rows":[{"id":"guard/b","weight":2},{"id":"guard/a","weight":1}],"gone":[]}

: still here

id: 8
data: {"seq":8,"full":false,"rows":[{"id":"guard/a","weight":5},{"id":"guard/c","weight":2}],"gone":["guard/b"]}

event: problem
data: {"code":"closed"}

`, `id: 9
data: {"seq":9,"full":false,"rows":[],"gone":[]}

id: 3
data: {"seq":3,"full":true,"rows":[{"id":"guard/z","weight":1}],"gone":[]}

event: problem
data: {"code":"unavailable","title":"Unavailable"}

`,
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path+" "+r.Header.Get("Last-Event-ID")+" "+r.Header.Get("Authorization"))
		fmt.Fprint(w, streams[0])
		streams = streams[1:]
	}))
	defer srv.Close()
	watcher := &adminapi.Watcher{Client: &adminapi.Client{Address: srv.URL, Token: "secret", HTTP: srv.Client()}}
	var seen []string
	show := func(f *adminapi.Frame) error {
		var ids []string
		for i := range f.Rows {
			ids = append(ids, f.Rows[i].ID)
		}
		seen = append(seen, fmt.Sprint(f.Seq, f.Full, ids))
		return nil
	}
	if err := watcher.Watch(t.Context(), show); err != nil {
		t.Error(err)
	}
	if err := watcher.Watch(t.Context(), show); err == nil || !strings.Contains(err.Error(), "Unavailable") {
		t.Error(err)
	}
	want := "7 true [guard/b guard/a], 8 true [guard/a guard/c], 9 true [guard/a guard/c], 3 true [guard/z]"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("%s", got)
	}
	if got := strings.Join(asked, ", "); got != "/v1/frames  Bearer secret, /v1/frames 8 Bearer secret" {
		t.Error(got)
	}
}
