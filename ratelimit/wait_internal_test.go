package ratelimit

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/key"
)

// While many waiters of one key gave up, calls of every other key stood behind
// them: they now need nothing that a queue is busy with.
func TestAQueueThatIsBusyHoldsUpNoOtherKey(t *testing.T) {
	l, err := New("rule", Config{Limit: 2, Per: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	busy, other := KeyOf("busy"), KeyOf("other")
	w, _ := l.waiting.join(busy.Hash(key.All), 1)
	w.queue.mu.Lock()
	if d := l.Allow(other); !d.OK {
		t.Error("another key was refused")
	}
	if err := l.Wait(t.Context(), other); err != nil {
		t.Error(err)
	}
	if d := l.Allow(busy); d.OK {
		t.Error("a call overtook the one that waits")
	}
	w.queue.mu.Unlock()
	l.waiting.leave(w)
	if len(l.waiting.queues) != 0 || l.waiting.count.Load() != 0 {
		t.Errorf("%d queues and %d waiters are left", len(l.waiting.queues), l.waiting.count.Load())
	}
}

// A queue keeps its order, its sum and its first, whoever leaves when.
func TestAQueueIsAList(t *testing.T) {
	var ws waiters
	var line []*waiter
	h, random := key.Hash{Hi: 1, Lo: 2}, rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		if len(line) > 0 && random.IntN(2) == 0 {
			i := random.IntN(len(line))
			ws.leave(line[i])
			line = slices.Delete(line, i, i+1)
		} else {
			cost := random.Int64N(4)
			if random.IntN(50) == 0 {
				cost = maxInt64
			}
			want := sumOf(line)
			w, ahead := ws.join(h, cost)
			if ahead != want {
				t.Fatalf("%d is ahead, not %d", want, ahead)
			}
			line = append(line, w)
		}
		if got, want := ws.ahead(h), sumOf(line); got != want || ws.count.Load() != int64(len(line)) {
			t.Fatalf("%d wait with a cost of %d, told are %d and %d", len(line), want, ws.count.Load(), got)
		}
		for i, w := range line {
			select {
			case <-w.head:
				if i > 0 {
					t.Fatal("one that is not the first goes")
				}
			default:
				if i == 0 {
					t.Fatal("the first does not know that it is")
				}
			}
		}
		if len(line) == 0 && len(ws.queues) != 0 {
			t.Fatal("an empty queue is kept")
		}
	}
}

func sumOf(line []*waiter) (sum int64) {
	for _, w := range line {
		sum = addCapped(sum, w.cost)
	}
	return sum
}

// BenchmarkGivingUp is the leaving of one of 40,000 waiters.
func BenchmarkGivingUp(b *testing.B) {
	const waiting = 40_000
	var ws waiters
	h := key.Hash{Hi: 1, Lo: 2}
	line := make([]*waiter, waiting)
	for i := range line {
		line[i], _ = ws.join(h, 1)
	}
	for i := 0; b.Loop(); i++ {
		at := waiting/2 + i%1000
		ws.leave(line[at])
		line[at], _ = ws.join(h, 1)
	}
}
