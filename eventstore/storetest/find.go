package storetest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

func testQueries(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	e := appendTo(t, s,
		eventstore.Event{Type: "circuit_breaker.state_change", Time: at(1), Component: "circuit_breaker", Name: "payments", Correlation: "r1", Severity: fault.SeverityWarning},
		eventstore.Event{Type: "circuit_breaker.call_executed", Time: at(2), Component: "circuit_breaker", Name: "orders", Correlation: "r2"},
		eventstore.Event{Type: "circuitXbreaker.state_change", Time: at(3), Component: "custom", Name: "payments", Severity: fault.SeverityError},
		eventstore.Event{Type: "deploy", Time: at(2), Name: "Payments", Correlation: "r1"},
		eventstore.Event{Type: "pool.timeout", Time: at(5), Component: "pool", Name: "payments", Correlation: "R1", Severity: fault.SeverityWarning},
	)
	for _, tt := range []struct {
		name string
		q    eventstore.Query
		want []int
	}{
		{"everything", eventstore.Query{}, []int{0, 1, 2, 3, 4}},
		{"the newest first", eventstore.Query{Order: eventstore.Descending}, []int{4, 3, 2, 1, 0}},
		{"an id", eventstore.Query{ID: strings.ToUpper(e[2].ID)}, []int{2}},
		{"an id that is not there", eventstore.Query{ID: eventstore.NewID()}, nil},
		{"a type", eventstore.Query{Type: "deploy"}, []int{3}},
		{"a type in capitals", eventstore.Query{Type: "Deploy"}, nil},
		{"a pattern at the end", eventstore.Query{Type: "circuit_breaker.*"}, []int{0, 1}},
		{"a pattern at the beginning", eventstore.Query{Type: "*.state_change"}, []int{0, 2}},
		{"a pattern for one", eventstore.Query{Type: "circuit?breaker.state_change"}, []int{0, 2}},
		{"patterns", eventstore.Query{Type: "*o*.*t*e*"}, []int{4}},
		{"any pattern", eventstore.Query{Type: "*"}, []int{0, 1, 2, 3, 4}},
		{"severity info", eventstore.Query{Severity: fault.SeverityInfo}, []int{0, 1, 2, 3, 4}},
		{"severity warning", eventstore.Query{Severity: fault.SeverityWarning}, []int{0, 2, 4}},
		{"severity error", eventstore.Query{Severity: fault.SeverityError}, []int{2}},
		{"components", eventstore.Query{Components: []string{"pool", "custom", "none"}}, []int{2, 4}},
		{"no component", eventstore.Query{Components: []string{""}}, []int{3}},
		{"a name", eventstore.Query{Name: "payments"}, []int{0, 2, 4}},
		{"a correlation", eventstore.Query{Correlation: "r1"}, []int{0, 3}},
		{"since, inclusive", eventstore.Query{Since: at(3)}, []int{2, 4}},
		{"since, a nanosecond later", eventstore.Query{Since: at(3).Add(1)}, []int{4}},
		{"until, inclusive", eventstore.Query{Until: at(2)}, []int{0, 1, 3}},
		{"until, a nanosecond earlier", eventstore.Query{Until: at(2).Add(-1)}, []int{0}},
		{"a range of one moment", eventstore.Query{Since: at(2), Until: at(2)}, []int{1, 3}},
		{"since before all", eventstore.Query{Since: year1}, []int{0, 1, 2, 3, 4}},
		{"until after all", eventstore.Query{Until: year9999}, []int{0, 1, 2, 3, 4}},
		{"after", eventstore.Query{After: e[2].Seq}, []int{3, 4}},
		{"after, the newest first", eventstore.Query{After: e[2].Seq, Order: eventstore.Descending}, []int{1, 0}},
		{"after the last", eventstore.Query{After: 1 << 63}, nil},
		{"a limit", eventstore.Query{Limit: 2, Since: at(2)}, []int{1, 2, 3, 4}},
		{"all of them", eventstore.Query{
			Type: "*", Severity: fault.SeverityWarning, Components: []string{"circuit_breaker"}, Name: "payments", Correlation: "r1", Since: at(1), Until: at(1), After: 0, Limit: 1,
		}, []int{0}},
		{"hostile texts", eventstore.Query{Name: `' OR 1=1 --`, Correlation: `%`}, nil},
	} {
		var want []eventstore.Event
		for _, i := range tt.want {
			want = append(want, e[i])
		}
		wantEvents(t, tt.name, find(t, s, tt.q), want)
	}
}

func testPages(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	stored := appendTo(t, s, make20()...)
	page, err := s.Find(t.Context(), eventstore.Query{Limit: 20})
	if err != nil || page.Next != stored[19].Seq {
		t.Errorf("a page that is just full: next %d, %v, want %d", page.Next, err, stored[19].Seq)
	}
	last := appendTo(t, s, eventstore.Event{Type: "y"})[0].Seq
	page, err = s.Find(t.Context(), eventstore.Query{Limit: 5})
	if err != nil || !page.More || page.Next != stored[4].Seq || !equal(page.Events, stored[:5]) {
		t.Errorf("the first page: next %d, more %v, %v, %s", page.Next, page.More, err, text(page.Events))
	}
	page, err = s.Find(t.Context(), eventstore.Query{Limit: 5, Order: eventstore.Descending, Type: "x"})
	if err != nil || !page.More || page.Next != stored[15].Seq || len(page.Events) != 5 {
		t.Errorf("the newest page: next %d, more %v, %v", page.Next, page.More, err)
	}
	page, err = s.Find(t.Context(), eventstore.Query{Type: "x", After: stored[17].Seq})
	if err != nil || page.More || page.Next != last || len(page.Events) != 2 {
		t.Errorf("the last page: next %d, more %v, %v: must stand after what did not match", page.Next, page.More, err)
	}
	page, err = s.Find(t.Context(), eventstore.Query{Type: "x", After: page.Next})
	if err != nil || page.More || page.Next != last || len(page.Events) != 0 {
		t.Errorf("nothing new: next %d, more %v, %v", page.Next, page.More, err)
	}
	for i := range 150 {
		appendTo(t, s, eventstore.Event{Type: "z", Name: strconv.Itoa(i)})
	}
	page, err = s.Find(t.Context(), eventstore.Query{Type: "z"})
	if err != nil || len(page.Events) != eventstore.DefaultLimit || !page.More {
		t.Errorf("without a limit: %d events, more %v, %v", len(page.Events), page.More, err)
	}
}

func testBigPages(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	data := []byte(`"` + strings.Repeat("x", eventstore.MaxData-2) + `"`)
	const events = eventstore.MaxPageBytes/eventstore.MaxData + 1
	for i := range events {
		appendTo(t, s, eventstore.Event{Type: "big", Name: strconv.Itoa(i), Data: data})
	}
	page, err := s.Find(t.Context(), eventstore.Query{})
	if n := len(page.Events); err != nil || !page.More || n == 0 || n*eventstore.MaxData > eventstore.MaxPageBytes {
		t.Errorf("a page of %d events of 1 MiB, more %v, %v", n, page.More, err)
	}
	if n := len(find(t, s, eventstore.Query{Order: eventstore.Descending})); n != events {
		t.Errorf("%d events in all pages, want %d", n, events)
	}
}

func testInvalidQueries(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	for _, tt := range []struct {
		q      eventstore.Query
		fields []string
	}{
		{eventstore.Query{Type: "a[b]"}, []string{"type"}},
		{eventstore.Query{Type: strings.Repeat("*", eventstore.MaxText+1)}, []string{"type"}},
		{eventstore.Query{Limit: -1}, []string{"limit"}},
		{eventstore.Query{Limit: eventstore.MaxLimit + 1}, []string{"limit"}},
		{eventstore.Query{Severity: "loud", Order: 7, ID: "7"}, []string{"severity", "order", "id"}},
		{eventstore.Query{Since: noon.Add(1), Until: noon}, []string{"since"}},
		{eventstore.Query{Since: year9999.Add(time.Second)}, []string{"since"}},
		{eventstore.Query{Until: year1.AddDate(-1, 0, 0)}, []string{"until"}},
		{eventstore.Query{Name: "\xff", Correlation: strings.Repeat("c", eventstore.MaxText+1)}, []string{"name", "correlation"}},
		{eventstore.Query{Components: make([]string, 1000)}, []string{"components"}},
		{eventstore.Query{Components: []string{"a", "\x00"}}, []string{"components[1]"}},
	} {
		_, err := s.Find(t.Context(), tt.q)
		wantFault(t, fmt.Sprintf("%+v", tt.q), err, fault.InvalidArgument, tt.fields...)
	}
	_, err := s.Prune(t.Context(), eventstore.Retention{MaxBytes: -1, Before: year9999.Add(time.Second)})
	wantFault(t, "retention", err, fault.InvalidArgument, "max_bytes", "before")
}

func testRetention(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	stored := appendTo(t, s, make20()...)
	late := appendTo(t, s, eventstore.Event{Type: "late", Time: noon.Add(-time.Hour)})
	prune := func(r eventstore.Retention, want int) {
		t.Helper()
		if n, err := s.Prune(t.Context(), r); err != nil || n != want {
			t.Errorf("prune %+v: %d, %v, want %d", r, n, err, want)
		}
	}
	prune(eventstore.Retention{}, 0)
	prune(eventstore.Retention{MaxBytes: 1 << 40}, 0)
	prune(eventstore.Retention{Before: late[0].Time}, 0)
	prune(eventstore.Retention{Before: stored[0].Time}, 1) // what came late is old too
	wantEvents(t, "found", find(t, s, eventstore.Query{}), stored)
	prune(eventstore.Retention{Before: stored[5].Time}, 5)
	prune(eventstore.Retention{Before: stored[5].Time}, 0)
	wantEvents(t, "found", find(t, s, eventstore.Query{}), stored[5:])
	if st := stats(t, s); st.Events != 15 || st.Oldest != stored[5].Seq || st.Newest != stored[19].Seq {
		t.Errorf("stats %+v", st)
	}
	again := appendTo(t, s, eventstore.Event{Type: "again", ID: stored[0].ID}) // a pruned id is free
	prune(eventstore.Retention{MaxBytes: 1}, 16)
	if st := stats(t, s); st.Events != 0 || st.Oldest != 0 || st.Newest != 0 {
		t.Errorf("stats %+v of an empty store", st)
	}
	if next := appendTo(t, s, eventstore.Event{Type: "x"}); next[0].Seq <= again[0].Seq {
		t.Errorf("seq %d after %d: a place was given twice", next[0].Seq, again[0].Seq)
	}
}
