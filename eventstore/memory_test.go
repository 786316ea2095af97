package eventstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/eventstore/storetest"
	"github.com/elixirscope/foundation/fault"
)

func newMemory(t *testing.T, o eventstore.MemoryOptions) eventstore.Store {
	t.Helper()
	s, err := eventstore.NewMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		return storetest.Harness{Open: func(t *testing.T) eventstore.Store {
			t.Helper()
			return newMemory(t, eventstore.MemoryOptions{})
		}}
	})
}

func TestMemory_TheOldestMakeRoom(t *testing.T) {
	for name, o := range map[string]eventstore.MemoryOptions{
		"by number": {MaxEvents: 3},
		"by bytes":  {MaxBytes: 3 * 1200},
	} {
		s := newMemory(t, o)
		data := []byte(`"` + strings.Repeat("x", 1000) + `"`)
		var ids []string
		for range 10 {
			stored, err := s.Append(t.Context(), eventstore.Event{Type: "x", Data: data})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, stored[0].ID)
		}
		page, err := s.Find(t.Context(), eventstore.Query{})
		if err != nil || len(page.Events) != 3 || page.Events[0].ID != ids[7] || page.Events[0].Seq != 8 {
			t.Errorf("%s: %d events, %v", name, len(page.Events), err)
		}
		if st, err := s.Stats(t.Context()); err != nil || st.Durable || st.Events != 3 || st.Oldest != 8 || st.Newest != 10 || st.Bytes > 3*1200 {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
		if _, err := s.Append(t.Context(), eventstore.Event{Type: "x", ID: ids[0]}); err != nil {
			t.Errorf("%s: the id of an event that is gone: %v", name, err)
		}
	}
}

func TestMemory_ABatchThatDoesNotFit(t *testing.T) {
	s := newMemory(t, eventstore.MemoryOptions{MaxEvents: 2, MaxBytes: 1 << 10})
	for _, batch := range [][]eventstore.Event{
		{{Type: "a"}, {Type: "b"}, {Type: "c"}},
		{{Type: "a", Data: []byte(`"` + strings.Repeat("x", 1000) + `"`)}},
	} {
		if _, err := s.Append(t.Context(), batch...); !errors.Is(err, fault.InvalidArgument) {
			t.Errorf("got %v", err)
		}
	}
	if st, err := s.Stats(t.Context()); err != nil || st.Events != 0 {
		t.Errorf("%+v, %v", st, err)
	}
}

func TestMemory_Options(t *testing.T) {
	_, err := eventstore.NewMemory(eventstore.MemoryOptions{MaxEvents: -1, MaxBytes: -1})
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code() != fault.InvalidArgument || len(f.Problems()) != 2 {
		t.Errorf("got %v", err)
	}
}
