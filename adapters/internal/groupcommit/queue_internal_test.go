package groupcommit

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/eventstore"
	"github.com/elixirscope/foundation/fault"
)

type request = Request[func() error]

func of(events, size int) *request {
	return &request{Events: make([]eventstore.Event, events), size: size}
}

// A transaction holds neighbours until the bound of events or of bytes, one request at least,
// and what stands alone by itself.
func TestQueue_TakeKeepsToItsBounds(t *testing.T) {
	left := of(1, 1)
	left.state.Store(withdrawn)
	for name, tt := range map[string]struct {
		queue []*request
		want  []int // how many of them each transaction holds
	}{
		"all fit":                {[]*request{of(1, 1), of(2, 1), of(3, 1)}, []int{3}},
		"as many events":         {[]*request{of(MaxEvents-1, 1), of(1, 1), of(1, 1)}, []int{2, 1}},
		"as many bytes":          {[]*request{of(1, MaxBytes-1), of(1, 1), of(1, 1)}, []int{2, 1}},
		"one that is too large":  {[]*request{of(1, 2*MaxBytes), of(1, 1)}, []int{1, 1}},
		"one that stands alone":  {[]*request{of(1, 1), of(0, 0), of(1, 1)}, []int{1, 1, 1}},
		"one that was withdrawn": {[]*request{of(1, 1), left, of(1, 1)}, []int{2}},
	} {
		q := NewQueue[func() error]()
		for _, r := range tt.queue {
			q.add(r)
		}
		for i, want := range tt.want {
			if got := len(q.Take(nil)); got != want {
				t.Errorf("%s: transaction %d holds %d, want %d", name, i, got, want)
			}
		}
		if q.waits() {
			t.Errorf("%s: something is left", name)
		}
	}
}

// What joins a group counts with what the group holds.
func TestQueue_TakeAddsToAGroup(t *testing.T) {
	q := NewQueue[func() error]()
	q.add(of(2, 1))
	q.add(of(1, 1))
	if got := q.Take([]*request{of(MaxEvents-2, 1)}); len(got) != 2 {
		t.Errorf("the group has %d requests, want 2", len(got))
	}
}

func TestQueue_SubmitSaysWhatBecameOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue[func() error]()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Submit(ctx, of(1, 1)); !errors.Is(err, fault.Canceled) || q.waits() {
			t.Errorf("nobody took it: %v", err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			q.Run(func() { Finish(q.Take(nil), nil) })
		}()
		if err := q.Submit(t.Context(), of(1, 1)); err != nil {
			t.Error(err)
		}
		q.Close()
		<-served
		if err := q.Submit(t.Context(), of(1, 1)); !errors.Is(err, fault.Closed) || !q.IsClosed() {
			t.Errorf("it is closed: %v", err)
		}
	})
}
