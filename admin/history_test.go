package admin_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/elixirscope/foundation/internal/adminapi"
)

func TestConfigIsPatchedRememberedAndRolledBack(t *testing.T) {
	r := newRig(t)
	var applied adminapi.Applied
	patch := `{"breakers":{"payments":{"failure_threshold":9}}}`
	if code := r.askWith(http.MethodPatch, "/v1/config?reason=calm", patch, &applied, http.Header{"If-Match": {`"1"`}, "Content-Type": {"application/merge-patch+json"}}); code != http.StatusOK || applied.Revision != 2 {
		t.Fatal(code, applied)
	}
	for _, c := range []struct {
		body, match string
		want        int
	}{
		{patch, `"1"`, http.StatusPreconditionFailed},
		{`[]`, "", http.StatusBadRequest},
		{`{"breakers":`, "", http.StatusBadRequest},
		{`{"breakers":{"payments":{"failure_threshold":"many"}}}`, "", http.StatusUnprocessableEntity},
	} {
		header := http.Header{}
		if c.match != "" {
			header.Set("If-Match", c.match)
		}
		var p adminapi.Problem
		if code := r.askWith(http.MethodPatch, "/v1/config", c.body, &p, header); code != c.want && (c.want != http.StatusUnprocessableEntity || code < 400 || code >= 500) {
			t.Errorf("%s: %d %s, want %d", c.body, code, p.Detail, c.want)
		}
	}
	var document struct {
		Revision uint64
		Document struct {
			Breakers map[string]map[string]any
		}
	}
	if r.ask(http.MethodGet, "/v1/config?format=json", "", &document); document.Revision != 2 || fmt.Sprint(document.Document.Breakers["payments"]["failure_threshold"]) != "9" {
		t.Errorf("%+v", document)
	}
	var history adminapi.List[adminapi.Revision]
	if r.ask(http.MethodGet, "/v1/config/history", "", &history); len(history.Items) < 2 {
		t.Fatalf("%+v", history)
	}
	var made *adminapi.Revision
	for i := range history.Items {
		if history.Items[i].Revision == 2 && history.Items[i].Outcome == "applied" {
			made = &history.Items[i]
		}
	}
	if made == nil || made.Actor != "ops" || made.Reason != "calm" || made.Source != "api" || made.YAML != "" {
		t.Errorf("%+v", made)
	}
	var one adminapi.Revision
	if r.ask(http.MethodGet, "/v1/config/history/2", "", &one); !strings.Contains(one.YAML, "failure_threshold") {
		t.Errorf("%+v", one)
	}
	for path, want := range map[string]int{"/v1/config/history/x": 400, "/v1/config/history/99": 404, "/v1/config/history?limit=x&y=z": 400, "/v1/config?format=xml": 400} {
		if code := r.ask(http.MethodGet, path, "", nil); code != want {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code := r.ask(http.MethodPost, "/v1/config/rollback", `{"revision":1}`, nil); code != http.StatusBadRequest {
		t.Errorf("a rollback without a reason: %d", code)
	}
	if code := r.ask(http.MethodPost, "/v1/config/rollback", `{"revision":1,"reason":"too calm"}`, &applied); code != http.StatusOK || applied.Revision != 3 {
		t.Errorf("%d %+v", code, applied)
	}
	if code := r.ask(http.MethodPost, "/v1/reload", `{"discard_drift":true,"reason":"x"}`, nil); code != http.StatusOK || !r.shell.by.DiscardDrift || r.shell.by.Actor != "ops" || r.shell.by.Reason != "x" {
		t.Errorf("%d %+v", code, r.shell.by)
	}
}

// A record is read with its document, so that a page must not be read as a whole.
func TestHistory_IsReadInParts(t *testing.T) {
	r := newRig(t)
	for i := range 23 { // more than are read at once
		r.ask(http.MethodPatch, "/v1/config", `{"breakers":{"payments":{"failure_threshold":`+strconv.Itoa(20+i)+`}}}`, nil)
	}
	for want := range 3 { // a page is as long as it is asked to be
		var page adminapi.List[adminapi.Revision]
		r.ask(http.MethodGet, "/v1/config/history?limit="+strconv.Itoa(want+1), "", &page)
		if len(page.Items) != want+1 || page.Items[0].YAML != "" {
			t.Errorf("limit %d: %+v", want+1, page.Items)
		}
	}
	var long adminapi.List[adminapi.Revision]
	r.ask(http.MethodGet, "/v1/config/history?limit=21", "", &long)
	for i := range long.Items {
		if i > 0 && long.Items[i].Seq != long.Items[i-1].Seq-1 {
			t.Errorf("%d follows %d", long.Items[i].Seq, long.Items[i-1].Seq)
		}
	}
	if len(long.Items) != 21 {
		t.Errorf("%d items, want 21", len(long.Items))
	}
}

func TestHistory_APutThatCannotBeReadIsInIt(t *testing.T) {
	r := newRig(t)
	var p adminapi.Problem
	if code := r.ask(http.MethodPut, "/v1/config?reason=a+try", `{"yaml":"version: 1\nguards: ["}`, &p); code != http.StatusUnprocessableEntity && code != http.StatusBadRequest {
		t.Fatalf("%d %+v", code, p)
	}
	var all adminapi.List[adminapi.Revision]
	r.ask(http.MethodGet, "/v1/config/history", "", &all)
	got := all.Items[0]
	if got.Outcome != "refused" || got.Revision != 1 || got.Actor != "ops" || got.Reason != "a try" || got.Source != "api" || got.Hash != "" ||
		len(got.Changes) != 1 || !strings.HasPrefix(got.Changes[0], "a document of 20 bytes that was not read, SHA-256 ") || !strings.Contains(got.Error, "request:3:1:") {
		t.Errorf("%+v", got)
	}
	if code := r.ask(http.MethodPut, "/v1/config?dry_run=1", `{"yaml":"version: 1\nguards: ["}`, &p); code < http.StatusBadRequest {
		t.Error(code)
	}
	if r.ask(http.MethodGet, "/v1/config/history", "", &all); len(all.Items) != 2 || all.Items[0].Seq != got.Seq {
		t.Errorf("what was only asked is recorded: %+v", all.Items)
	}
}

// A sender that takes its time holds up no other: a configuration is read before its turn.
func TestChanges_ASlowSenderHoldsNoTurn(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	slow := make([]*io.PipeWriter, 0, 4)
	reading := make(chan struct{}, 4)
	for _, method := range []string{http.MethodPut, http.MethodPut, http.MethodPatch, http.MethodPatch} {
		body, sender := io.Pipe()
		slow = append(slow, sender)
		wg.Go(func() {
			req := httptest.NewRequest(method, "/v1/config", body)
			req.Host = "127.0.0.1"
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Content-Type", "application/json")
			r.http.ServeHTTP(httptest.NewRecorder(), req)
		})
		go func() {
			_, _ = sender.Write([]byte("{")) // returns once it is read
			reading <- struct{}{}
		}()
	}
	for range slow {
		<-reading
	}
	if code := r.ask(http.MethodPatch, "/v1/config", `{"guards":{"checkout":{"timeout":"2s"}}}`, nil); code != http.StatusOK {
		t.Errorf("a quick sender is answered with %d", code)
	}
	for _, sender := range slow {
		_ = sender.CloseWithError(io.ErrUnexpectedEOF)
	}
	wg.Wait()
}
