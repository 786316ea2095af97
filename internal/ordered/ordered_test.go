package ordered_test

import (
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/elixirscope/foundation/internal/ordered"
)

// numbers returns a queue of 1 to n.
func numbers(n int) *ordered.Queue[int] {
	q := new(ordered.Queue[int])
	for i := range n {
		q.Add(i + 1)
	}
	return q
}

func TestEventsAreDeliveredInOrder(t *testing.T) {
	q, got := numbers(3), []int(nil)
	keep := func(e int, missed uint64) { got = append(got, e, int(missed)) }
	q.Deliver(keep)
	q.Deliver(keep) // nothing is left
	q.Add(4)
	q.Deliver(keep)
	if !slices.Equal(got, []int{1, 0, 2, 0, 3, 0, 4, 0}) {
		t.Error(got)
	}
}

// An event that a handler causes is delivered after the one that it handles, by the
// delivery that is going on, and not inside it.
func TestAHandlerMayCauseEvents(t *testing.T) {
	q, got, depth := numbers(2), []int(nil), 0
	var handle func(int, uint64)
	handle = func(e int, _ uint64) {
		depth++
		if got = append(got, e); e < 3 {
			q.Add(10 * e)
			q.Deliver(handle)
		}
		if depth != 1 {
			t.Errorf("%d handlers run at a time", depth)
		}
		depth--
	}
	q.Deliver(handle)
	if !slices.Equal(got, []int{1, 2, 10, 20}) {
		t.Error(got)
	}
}

func TestAHandlerThatDoesNotReturnLosesNoOtherEvent(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("as told") }, "Goexit": runtime.Goexit} {
		q, got := numbers(5), []int(nil)
		var apart sync.WaitGroup
		apart.Add(1)
		panicked := false
		go func() {
			defer apart.Done()
			defer func() { panicked = recover() != nil }()
			q.Deliver(func(e int, _ uint64) {
				if got = append(got, e); e%2 == 0 {
					end()
				}
			})
		}()
		apart.Wait()
		if !slices.Equal(got, []int{1, 2, 3, 4, 5}) || panicked != (name == "panic") {
			t.Errorf("%s: %v, panicked %v", name, got, panicked)
		}
		q.Add(6)
		q.Deliver(func(e int, _ uint64) { got = append(got, e) })
		if len(got) != 6 {
			t.Errorf("%s: nothing is delivered any more: %v", name, got)
		}
	}
}

func TestAFullQueueDropsTheOldest(t *testing.T) {
	q := numbers(ordered.Bound + 7)
	n, first, missed := 0, 0, uint64(0)
	q.Deliver(func(e int, m uint64) {
		if n++; n == 1 {
			first = e
		}
		missed += m
	})
	if n != ordered.Bound || first != 8 || missed != 7 {
		t.Errorf("%d delivered from %d on, %d missed", n, first, missed)
	}
}

func TestAnEmptyQueueDoesNotAllocate(t *testing.T) {
	var q ordered.Queue[string]
	n := 0
	if got := testing.AllocsPerRun(100, func() { q.Deliver(func(string, uint64) { n++ }) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
