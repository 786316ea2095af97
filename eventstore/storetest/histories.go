package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

// model is what a store does, said with a slice.
type model struct {
	store  eventstore.Store
	events []eventstore.Event
	last   uint64
}

// testHistories compares random histories with the model. Times come from few
// moments, texts from few words, so that ranges and filters meet at their edges.
func testHistories(t *testing.T, h Harness) {
	t.Helper()
	s := h.open(t)
	var last uint64
	rapid.Check(t, func(rt *rapid.T) {
		// One store serves all histories: each begins by emptying it.
		if _, err := s.Prune(t.Context(), eventstore.Retention{MaxBytes: 1}); err != nil {
			rt.Fatal(err)
		}
		m := &model{store: s, last: last}
		defer func() { last = m.last }()
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "find", "find", "age", "size", "open"}).Draw(rt, "step") {
			case "append":
				m.append(rt)
			case "find":
				m.find(rt)
			case "age":
				m.age(rt)
			case "size":
				m.size(rt)
			case "open":
				if h.Durable {
					s = m.open(t, rt, h)
				}
			}
		}
		m.compare(rt, eventstore.Query{Limit: eventstore.MaxLimit})
	})
}

var (
	types  = []string{"a", "a.b", "a.c", "b", "b.a.b", "B"}
	words  = []string{"", "x", "y", "X", "x%", "ü"}
	levels = []fault.Severity{"", fault.SeverityInfo, fault.SeverityWarning, fault.SeverityError}
	globs  = []string{"", "*", "a", "a.*", "*.b", "?", "?.?", "b*b", "**", "*a*"}
)

func moment(rt *rapid.T, label string) time.Time {
	n := rapid.IntRange(0, 12).Draw(rt, label)
	if n == 0 {
		return time.Time{}
	}
	return noon.Add(time.Duration(n) * time.Millisecond)
}

func pick[T any](rt *rapid.T, from []T, label string) T {
	return rapid.SampledFrom(from).Draw(rt, label)
}

func (m *model) event(rt *rapid.T) eventstore.Event {
	e := eventstore.Event{
		Type: pick(rt, types, "type"), Time: moment(rt, "time"), Severity: pick(rt, levels, "severity"),
		Component: pick(rt, words, "component"), Name: pick(rt, words, "name"), Node: pick(rt, words, "node"), Correlation: pick(rt, words, "correlation"),
	}
	if rapid.Bool().Draw(rt, "data") {
		e.Data = json.RawMessage(fmt.Sprintf(`{"n":%q}`, strings.Repeat("n", rapid.IntRange(0, 200).Draw(rt, "length"))))
	}
	switch rapid.IntRange(0, 15).Draw(rt, "fault") {
	case 0:
		e.Type = ""
	case 1, 2:
		if len(m.events) > 0 {
			e.ID = pick(rt, m.events, "twice").ID
		}
	case 3, 4:
		e.ID = eventstore.NewID()
	}
	return e
}

func (m *model) append(rt *rapid.T) {
	var batch []eventstore.Event
	ids := map[string]bool{}
	invalid, twice := false, false
	for range rapid.IntRange(0, 6).Draw(rt, "batch") {
		e := m.event(rt)
		if e.ID != "" && ids[e.ID] {
			invalid = true
		}
		ids[e.ID] = true
		invalid = invalid || e.Type == ""
		twice = twice || slices.ContainsFunc(m.events, func(o eventstore.Event) bool { return o.ID == e.ID })
		batch = append(batch, e)
	}
	stored, err := m.store.Append(rt.Context(), batch...)
	switch {
	case invalid:
		if !errors.Is(err, fault.InvalidArgument) {
			rt.Fatalf("an invalid batch: %v", err)
		}
	case twice:
		if !errors.Is(err, fault.AlreadyExists) {
			rt.Fatalf("an id that is stored: %v", err)
		}
	case err != nil || len(stored) != len(batch):
		rt.Fatalf("append %s: %v", text(batch), err)
	}
	for _, e := range stored {
		if e.Seq <= m.last {
			rt.Fatalf("seq %d after %d", e.Seq, m.last)
		}
		m.last = e.Seq
	}
	m.events = append(m.events, stored...)
}

func (m *model) find(rt *rapid.T) {
	q := eventstore.Query{
		Type: pick(rt, globs, "glob"), Severity: pick(rt, levels, "at least"), Since: moment(rt, "since"), Until: moment(rt, "until"),
		Limit: rapid.IntRange(0, 4).Draw(rt, "limit"), Order: eventstore.Order(rapid.IntRange(0, 1).Draw(rt, "order")),
	}
	if !q.Until.IsZero() && q.Since.After(q.Until) {
		q.Since, q.Until = q.Until, q.Since
	}
	if rapid.Bool().Draw(rt, "texts") {
		q.Name, q.Correlation = pick(rt, words, "name"), pick(rt, words, "correlation")
		q.Components = rapid.SliceOfN(rapid.SampledFrom(words), 0, 2).Draw(rt, "components")
	}
	if len(m.events) > 0 {
		switch rapid.IntRange(0, 3).Draw(rt, "place") {
		case 0:
			q.After = pick(rt, m.events, "after").Seq
		case 1:
			q.ID = pick(rt, m.events, "id").ID
		}
	}
	m.compare(rt, q)
}

func (m *model) compare(rt *rapid.T, q eventstore.Query) {
	var want []eventstore.Event
	for _, e := range m.events {
		if wanted(q, e) {
			want = append(want, e)
		}
	}
	if q.Order == eventstore.Descending {
		slices.Reverse(want)
	}
	if got := find(rt, m.store, q); !equal(got, want) {
		rt.Fatalf("find %+v: got %s\nwant %s", q, text(got), text(want))
	}
}

func wanted(q eventstore.Query, e eventstore.Event) bool {
	pattern := "^" + strings.NewReplacer(".", `\.`, "*", ".*", "?", ".").Replace(q.Type) + "$"
	return (q.Type == "" || regexp.MustCompile(pattern).MatchString(e.Type)) &&
		slices.Index(levels, e.Severity) >= slices.Index(levels, q.Severity) &&
		(q.ID == "" || q.ID == e.ID) && (q.Name == "" || q.Name == e.Name) && (q.Correlation == "" || q.Correlation == e.Correlation) &&
		(len(q.Components) == 0 || slices.Contains(q.Components, e.Component)) &&
		(q.Since.IsZero() || e.Time.Compare(q.Since) >= 0) && (q.Until.IsZero() || e.Time.Compare(q.Until) <= 0) &&
		(q.After == 0 || q.Order == eventstore.Ascending && e.Seq > q.After || q.Order == eventstore.Descending && e.Seq < q.After)
}

func (m *model) age(rt *rapid.T) {
	before := moment(rt, "before")
	n, err := m.store.Prune(rt.Context(), eventstore.Retention{Before: before})
	held := len(m.events)
	m.events = slices.DeleteFunc(m.events, func(e eventstore.Event) bool { return e.Time.Before(before) })
	if err != nil || n != held-len(m.events) {
		rt.Fatalf("prune before %v: %d, %v, want %d", before, n, err, held-len(m.events))
	}
}

// size does not know what an event occupies; it knows which ones must go first.
func (m *model) size(rt *rapid.T) {
	st, err := m.store.Stats(rt.Context())
	if err != nil || st.Events != len(m.events) {
		rt.Fatalf("stats %+v, %v, want %d events", st, err, len(m.events))
	}
	bound := max(1, st.Bytes*int64(rapid.IntRange(0, 110).Draw(rt, "percent"))/100)
	n, err := m.store.Prune(rt.Context(), eventstore.Retention{MaxBytes: bound})
	if err != nil || n > len(m.events) || n > 0 && st.Bytes <= bound {
		rt.Fatalf("prune to %d bytes: %d of %d, %v", bound, n, len(m.events), err)
	}
	m.events = m.events[n:]
	if st, err = m.store.Stats(rt.Context()); err != nil || st.Bytes > bound && st.Events > 0 {
		rt.Fatalf("after pruning to %d bytes: %+v, %v", bound, st, err)
	}
}

func (m *model) open(t *testing.T, rt *rapid.T, h Harness) eventstore.Store {
	t.Helper()
	if err := m.store.Close(); err != nil {
		rt.Fatal(err)
	}
	m.store = h.open(t)
	return m.store
}
