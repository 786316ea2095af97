package historytest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/fault"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 1_000, time.UTC)

func applied(revision uint64) config.Record {
	text := fmt.Sprintf("version: 1\nnamespace: n%d\n", revision)
	return config.Record{
		Revision: revision, At: noon.Add(time.Duration(revision) * time.Second), Actor: "alice", Reason: "a test", Source: "api",
		Hash: fmt.Sprintf("hash-%d", revision), Text: text, FileHash: "file", Outcome: config.OutcomeApplied,
		Changes: []string{fmt.Sprintf("namespace changed: default → n%d", revision)},
	}
}

func refused(revision uint64) config.Record {
	r := applied(revision)
	r.Outcome, r.Err = config.OutcomeRefused, "it is not allowed"
	return r
}

func add(t *testing.T, h config.History, records ...config.Record) {
	t.Helper()
	for _, r := range records {
		if err := h.Add(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, h config.History, before uint64, limit int) []config.Record {
	t.Helper()
	records, err := h.List(t.Context(), before, limit)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if r.Seq == 0 || i > 0 && r.Seq >= records[i-1].Seq {
			t.Fatalf("record %d of %d has seq %d: not descending", i, len(records), r.Seq)
		}
	}
	return records
}

// same compares records; the history assigns Seq, and times need only be as precise as a
// database keeps them.
func same(t *testing.T, what string, got, want []config.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i]
		if g.At.Sub(w.At).Abs() >= time.Microsecond {
			t.Errorf("%s: record %d is of %v, want %v", what, i, g.At, w.At)
		}
		g.Seq, w.Seq, g.At, w.At = 0, 0, time.Time{}, time.Time{}
		if len(g.Changes) == 0 && len(w.Changes) == 0 {
			g.Changes, w.Changes = nil, nil
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s: record %d is\n%+v, want\n%+v", what, i, g, w)
		}
	}
}

func wantCode(t *testing.T, what string, err error, code fault.Code) {
	t.Helper()
	if !errors.Is(err, code) {
		t.Errorf("%s: %v, want %v", what, err, code)
	}
}

func testKept(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	if got := list(t, h, 0, 0); len(got) != 0 {
		t.Errorf("an empty history has %+v", got)
	}
	strange := config.Record{
		Seq: 99, Revision: 1<<63 - 1, At: time.Date(2026, 5, 1, 14, 0, 0, 0, time.FixedZone("", 7200)),
		Actor: `'"; -- \ %_`, Reason: strings.Repeat("ä", 5000), Source: "/etc/foundation.yaml", Outcome: config.OutcomeApplied,
		Text: "version: 1 # \u2028 ü\n" + strings.Repeat("x", 1<<20), Hash: "h", FileHash: "f", Changes: []string{"a", "", "b\nc"},
		DriftRevision: 7, DriftText: "version: 1\n", DriftHash: "d",
	}
	bare := config.Record{At: noon, Outcome: config.OutcomeRefused, Err: "first line\nsecond"}
	add(t, h, applied(1), strange, bare)
	same(t, "listed", list(t, h, 0, 0), []config.Record{bare, strange, applied(1)})
}

func testPages(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	for i := range uint64(7) {
		add(t, h, applied(i+1))
	}
	var got []config.Record
	for before := uint64(0); ; {
		page := list(t, h, before, 3)
		got = append(got, page...)
		if len(page) < 3 {
			break
		}
		before = page[2].Seq
	}
	var want []config.Record
	for i := uint64(7); i > 0; i-- {
		want = append(want, applied(i))
	}
	same(t, "in pages of 3", got, want)
	same(t, "before the oldest", list(t, h, got[6].Seq, 0), nil)
	same(t, "before a number to come", list(t, h, got[0].Seq+1000, 1), want[:1])
	_, err := h.List(t.Context(), 0, -1)
	wantCode(t, "a negative limit", err, fault.InvalidArgument)
}

func testRevision(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	second := applied(2)
	second.Text = "version: 1 # the second try\n"
	add(t, h, applied(1), applied(2), refused(2), second, refused(3))
	for revision, want := range map[uint64]config.Record{1: applied(1), 2: second} {
		got, err := h.Revision(t.Context(), revision)
		if err != nil {
			t.Fatal(err)
		}
		if got.Seq == 0 {
			t.Errorf("revision %d has no seq", revision)
		}
		same(t, fmt.Sprintf("revision %d", revision), []config.Record{got}, []config.Record{want})
	}
	for _, revision := range []uint64{0, 3, 4} {
		_, err := h.Revision(t.Context(), revision)
		wantCode(t, fmt.Sprintf("revision %d", revision), err, fault.NotFound)
	}
}

func testBound(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	for i := range uint64(config.HistoryKept + 5) {
		add(t, h, applied(i+1))
	}
	for range config.HistoryKept + 5 {
		add(t, h, refused(config.HistoryKept+5))
	}
	all := list(t, h, 0, 0)
	var kept []config.Record
	for _, r := range all {
		if r.Outcome == config.OutcomeApplied {
			kept = append(kept, r)
		}
	}
	if len(kept) != config.HistoryKept || len(all) != 2*config.HistoryKept {
		t.Fatalf("%d applied among %d are kept", len(kept), len(all))
	}
	if newest, oldest := kept[0].Revision, kept[len(kept)-1].Revision; newest != config.HistoryKept+5 || oldest != 6 {
		t.Errorf("revisions %d to %d are kept", oldest, newest)
	}
	_, err := h.Revision(t.Context(), 5)
	wantCode(t, "a revision that went", err, fault.NotFound)
}

func testConcurrent(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	const writers, each = 8, 10
	var wg sync.WaitGroup
	for w := range uint64(writers) {
		wg.Go(func() {
			for i := range uint64(each) {
				if err := h.Add(t.Context(), applied(w*each+i+1)); err != nil {
					t.Errorf("add: %v", err)
				}
			}
		})
	}
	wg.Wait()
	seen := map[uint64]bool{}
	for _, r := range list(t, h, 0, 0) {
		seen[r.Revision] = true
	}
	if len(seen) != writers*each {
		t.Errorf("%d of %d records are there", len(seen), writers*each)
	}
}

func testContext(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantCode(t, "add", h.Add(ended, applied(1)), fault.Canceled)
	_, err := h.List(ended, 0, 0)
	wantCode(t, "list", err, fault.Canceled)
	_, err = h.Revision(ended, 1)
	wantCode(t, "revision", err, fault.Canceled)
	add(t, h, applied(2))
}

func testClosed(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "add", h.Add(t.Context(), applied(1)), fault.Closed)
	_, err := h.List(t.Context(), 0, 0)
	wantCode(t, "list", err, fault.Closed)
	_, err = h.Revision(t.Context(), 1)
	wantCode(t, "revision", err, fault.Closed)
}

func testReopened(t *testing.T, harness Harness) {
	t.Helper()
	if !harness.Durable {
		return
	}
	h := harness.open(t)
	add(t, h, applied(1), refused(1), applied(2))
	before := list(t, h, 0, 0)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = harness.open(t)
	same(t, "opened again", list(t, h, 0, 0), before)
	add(t, h, applied(3))
	if now := list(t, h, 0, 1); now[0].Seq <= before[0].Seq {
		t.Errorf("the numbers begin anew: %d after %d", now[0].Seq, before[0].Seq)
	}
}

// testAliases: nothing of a record changes because somebody writes to what was given
// to the history or came from it.
func testAliases(t *testing.T, harness Harness) {
	t.Helper()
	h := harness.open(t)
	given := applied(1)
	add(t, h, given)
	given.Changes[0] = "changed by the caller"
	list(t, h, 0, 0)[0].Changes[0] = "changed by a reader"
	one, err := h.Revision(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	one.Changes[0] = "changed by another"
	same(t, "listed", list(t, h, 0, 0), []config.Record{applied(1)})
}
