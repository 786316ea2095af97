package storetest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

var (
	year1    = time.Date(1, 1, 1, 0, 0, 0, 1_000, time.UTC)
	year9999 = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	noon     = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

func testFilled(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	before := time.Now().Truncate(time.Microsecond)
	given := []eventstore.Event{{Type: "a", Seq: 99}, {Type: "b"}}
	stored := appendTo(t, s, given...)
	for i, e := range stored {
		if id, err := uuid.Parse(e.ID); err != nil || id.Version() != 7 {
			t.Errorf("event %d: id %q, want a UUID of version 7", i, e.ID)
		}
		if e.Time.Before(before) || e.Time.After(time.Now()) || e.Severity != fault.SeverityInfo {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if stored[0].Seq == 0 || stored[1].Seq <= stored[0].Seq || stored[1].ID <= stored[0].ID {
		t.Errorf("not ascending: %s", text(stored))
	}
	if given[0].ID != "" || given[0].Seq != 99 {
		t.Errorf("append changed what it was given: %+v", given[0])
	}
	wantEvents(t, "found", find(t, s, eventstore.Query{}), stored)
	if none, err := s.Append(t.Context()); err != nil || len(none) != 0 {
		t.Errorf("an empty batch: %v, %v", none, err)
	}
	st := stats(t, s)
	if st.Durable != h.Durable || st.Events != 2 || st.Oldest != stored[0].Seq || st.Newest != stored[1].Seq || st.Bytes <= 0 {
		t.Errorf("stats %+v", st)
	}
}

func testKept(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	long := strings.Repeat("ä", eventstore.MaxText/2)
	big := []byte(`"` + strings.Repeat("x", eventstore.MaxData-2) + `"`)
	events := []eventstore.Event{
		{Type: strings.Repeat("t", eventstore.MaxText), Component: long, Name: long, Node: long, Correlation: long},
		{Type: "x", Time: year1, Data: json.RawMessage(`{"b": 1,  "a":"\u0000 \ud800 ü", "a": 1e999}`)},
		{Type: "x", Time: year9999, Severity: fault.SeverityError, Data: json.RawMessage(`null`)},
		{Type: "x", Time: time.Date(2026, 5, 1, 14, 0, 0, 1_999, time.FixedZone("", 7200)), Severity: fault.SeverityWarning, Data: big},
		{Type: "A.b_c:d/e-f", Name: `'"; -- \ %_*?[`, Parent: strings.ToUpper(eventstore.NewID())},
	}
	stored := appendTo(t, s, events...)
	if got, want := stored[3].Time, time.Date(2026, 5, 1, 12, 0, 0, 1_000, time.UTC); got != want {
		t.Errorf("time %v, want %v: UTC, to the microsecond", got, want)
	}
	for i := range events {
		want := events[i]
		want.ID, want.Seq, want.Time, want.Parent = stored[i].ID, stored[i].Seq, stored[i].Time, strings.ToLower(want.Parent)
		if want.Severity == "" {
			want.Severity = fault.SeverityInfo
		}
		wantEvents(t, "stored", stored[i:i+1], []eventstore.Event{want})
	}
	wantEvents(t, "found", find(t, s, eventstore.Query{}), stored)

	// Neither what was given nor what was answered is the store's own.
	kept := find(t, s, eventstore.Query{})
	for _, shared := range [][]byte{events[1].Data, stored[1].Data, find(t, s, eventstore.Query{})[1].Data} {
		copy(shared, `[[[[`)
	}
	wantEvents(t, "found after the caller wrote to its data", find(t, s, eventstore.Query{}), kept)
}

func testFaults(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	id := eventstore.NewID()
	child := eventstore.NewID()
	good := eventstore.Event{Type: "good"}
	for _, tt := range []struct {
		name   string
		events []eventstore.Event
		fields []string
	}{
		{"an empty type", []eventstore.Event{good, {}}, []string{"events[1].type"}},
		{"a type with a space", []eventstore.Event{{Type: "a b"}}, []string{"events[0].type"}},
		{"a type with a pattern", []eventstore.Event{{Type: "a*"}}, []string{"events[0].type"}},
		{"a type with the prefix", []eventstore.Event{{Type: "elixir_scope.foundation.infra.guard.retried"}}, []string{"events[0].type"}},
		{"a long type", []eventstore.Event{{Type: strings.Repeat("t", eventstore.MaxText+1)}}, []string{"events[0].type"}},
		{"data over the bound", []eventstore.Event{{Type: "x", Data: []byte(`"` + strings.Repeat("x", eventstore.MaxData-1) + `"`)}}, []string{"events[0].data"}},
		{"invalid JSON", []eventstore.Event{{Type: "x", Data: []byte(`{"a":}`)}}, []string{"events[0].data"}},
		{"two values", []eventstore.Event{{Type: "x", Data: []byte(`1 2`)}}, []string{"events[0].data"}},
		{"JSON that is not UTF-8", []eventstore.Event{{Type: "x", Data: []byte("\"\xff\"")}}, []string{"events[0].data"}},
		{"an id that is no UUID", []eventstore.Event{{Type: "x", ID: "7"}}, []string{"events[0].id"}},
		{"an id in braces", []eventstore.Event{{Type: "x", ID: "{" + id + "}"}}, []string{"events[0].id"}},
		{"an id twice", []eventstore.Event{{Type: "x", ID: id}, good, {Type: "x", ID: strings.ToUpper(id)}}, []string{"events[2].id"}},
		{"a parent that is no UUID", []eventstore.Event{{Type: "x", Parent: "7"}}, []string{"events[0].parent"}},
		{"its own parent", []eventstore.Event{{Type: "x", ID: id, Parent: id}}, []string{"events[0].parent"}},
		{"a parent behind its child", []eventstore.Event{{Type: "x", ID: child, Parent: id}, {Type: "x", ID: id}}, []string{"events[0].parent"}},
		{"the year 0", []eventstore.Event{{Type: "x", Time: year1.AddDate(-1, 0, 0)}}, []string{"events[0].time"}},
		{"the year 10000", []eventstore.Event{{Type: "x", Time: year9999.Add(time.Second)}}, []string{"events[0].time"}},
		{"an unknown severity", []eventstore.Event{{Type: "x", Severity: "loud"}}, []string{"events[0].severity"}},
		{
			"texts",
			[]eventstore.Event{{Type: "x", Component: "\xff", Name: "a\x00", Node: strings.Repeat("n", eventstore.MaxText+1), Correlation: "\xc0\x80"}},
			[]string{"events[0].component", "events[0].correlation", "events[0].name", "events[0].node"},
		},
		{"all at once", []eventstore.Event{{}, good, {Type: "x", ID: "7", Data: []byte(`{`)}}, []string{"events[0].type", "events[2].data", "events[2].id"}},
		{"a batch over the bound", make([]eventstore.Event, eventstore.MaxBatch+1), []string{"events"}},
	} {
		_, err := s.Append(t.Context(), tt.events...)
		wantFault(t, tt.name, err, fault.InvalidArgument, tt.fields...)
	}
	if got := find(t, s, eventstore.Query{}); len(got) > 0 {
		t.Errorf("faulty batches left %s", text(got))
	}
}

func testOnce(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	first := appendTo(t, s, eventstore.Event{Type: "a", ID: eventstore.NewID()}, eventstore.Event{Type: "b"})
	_, err := s.Append(t.Context(),
		eventstore.Event{Type: "new"}, eventstore.Event{Type: "again", ID: strings.ToUpper(first[0].ID)},
		eventstore.Event{Type: "new", ID: eventstore.NewID()}, eventstore.Event{Type: "again", ID: first[1].ID})
	wantFault(t, "two ids that are stored", err, fault.AlreadyExists, "events[1].id", "events[3].id")
	wantEvents(t, "found", find(t, s, eventstore.Query{}), first)
	next := appendTo(t, s, eventstore.Event{Type: "after"})
	wantEvents(t, "found", find(t, s, eventstore.Query{}), append(first, next...))

	var wg sync.WaitGroup
	var stored atomic.Int32
	id := eventstore.NewID()
	for range 16 {
		wg.Go(func() {
			_, err := s.Append(t.Context(), eventstore.Event{Type: "raced", ID: id})
			if err == nil {
				stored.Add(1)
			} else {
				wantFault(t, "an id that others store at once", err, fault.AlreadyExists, "events[0].id")
			}
		})
	}
	wg.Wait()
	if stored.Load() != 1 || len(find(t, s, eventstore.Query{ID: id})) != 1 {
		t.Errorf("one of 16 appends of an id at once must succeed, %d did", stored.Load())
	}
}

func testCanceled(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Append(ctx, eventstore.Event{Type: "x"})
	wantFault(t, "append", err, fault.Canceled)
	_, err = s.Find(ctx, eventstore.Query{})
	wantFault(t, "find", err, fault.Canceled)
	_, err = s.Prune(ctx, eventstore.Retention{})
	wantFault(t, "prune", err, fault.Canceled)
	_, err = s.Stats(ctx)
	wantFault(t, "stats", err, fault.Canceled)
	if got := find(t, s, eventstore.Query{}); len(got) > 0 {
		t.Errorf("stored after the context had ended: %s", text(got))
	}
}

func testClose(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_, err := s.Append(t.Context(), eventstore.Event{Type: "x"})
	wantFault(t, "append", err, fault.Closed)
	_, err = s.Find(t.Context(), eventstore.Query{})
	wantFault(t, "find", err, fault.Closed)
	_, err = s.Prune(t.Context(), eventstore.Retention{})
	wantFault(t, "prune", err, fault.Closed)
	_, err = s.Stats(t.Context())
	wantFault(t, "stats", err, fault.Closed)
}

func testReopen(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	stored := appendTo(t, s, make20()...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := h.open(t)
	if !h.Durable {
		stored = nil
	}
	wantEvents(t, "after opening again", find(t, again, eventstore.Query{}), stored)
	if !h.Durable {
		return
	}
	newest := stored[len(stored)-1].Seq
	if st := stats(t, again); st.Events != len(stored) || st.Newest != newest {
		t.Errorf("stats %+v", st)
	}
	if n, err := again.Prune(t.Context(), eventstore.Retention{Before: year9999}); err != nil || n != len(stored) {
		t.Errorf("prune: %d, %v", n, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if next := appendTo(t, h.open(t), eventstore.Event{Type: "x"}); next[0].Seq <= newest {
		t.Errorf("seq %d after %d: a place was given twice", next[0].Seq, newest)
	}
}

func make20() []eventstore.Event {
	events := make([]eventstore.Event, 20)
	for i := range events {
		events[i] = eventstore.Event{Type: "x", Time: noon.Add(time.Duration(i) * time.Second)}
	}
	return events
}
