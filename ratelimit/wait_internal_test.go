package ratelimit

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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

// Calls that come while the last one leaves find one queue, never two, so that each
// is the first of its own in the end.
func TestStressWaitersOfOneKeyComeAndGo(t *testing.T) {
	var ws waiters
	var wg sync.WaitGroup
	var going atomic.Int64
	h := key.Hash{Hi: 1, Lo: 2}
	for range 3 { // few, so that the queue is often empty
		wg.Go(func() {
			for range 50_000 {
				w, _ := ws.join(h, 1)
				<-w.head
				if going.Add(1) != 1 {
					t.Error("two calls are the first of one key")
				}
				going.Add(-1)
				ws.leave(w)
			}
		})
	}
	wg.Wait()
	if len(ws.queues) != 0 || ws.count.Load() != 0 {
		t.Errorf("%d queues and %d waiters are left", len(ws.queues), ws.count.Load())
	}
}

// A queue that somebody has come to is kept, although its last call found it empty.
func TestAQueueIsKeptForWhoIsAboutToJoin(t *testing.T) {
	var ws waiters
	h := key.Hash{Hi: 1, Lo: 2}
	w, _ := ws.join(h, 1)
	q := w.queue
	ws.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { ws.leave(w) })
	for q.calls.Load() > 0 {
		runtime.Gosched()
	}
	q.calls.Add(1) // as join does, under the lock
	ws.mu.Unlock()
	wg.Wait()
	if ws.queues[h] != q {
		t.Error("the queue is gone")
	}
}

// Nor does its last call take the queue of others, who have come since it was dropped.
func TestTheLastOfAQueueLeavesTheNextQueueAlone(t *testing.T) {
	var ws waiters
	h := key.Hash{Hi: 1, Lo: 2}
	w, _ := ws.join(h, 1)
	ws.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { ws.leave(w) })
	for w.queue.calls.Load() > 0 {
		runtime.Gosched()
	}
	next := &waitQueue{hash: h} // one has come and gone, and another has come
	next.calls.Add(1)
	ws.queues[h] = next
	ws.mu.Unlock()
	wg.Wait()
	if ws.queues[h] != next {
		t.Error("the queue of others is gone")
	}
}

// A reset that meets a change of the rule is one of the new rule.
func TestAResetThatMeetsAChangeWaitsForIt(t *testing.T) {
	l, err := New("rule", Config{Limit: 1, Per: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	k := KeyOf("user")
	l.Allow(k)
	l.swap.Lock() // what follows is a replacement of the engine, step by step
	next := *l.setup.Load()
	old := next.engine
	next.engine = newEngine(l, old.rule, old.maxKeys, old.since)
	next.engine.keys = old.keys
	next.engine.prev.Store(&origin{l.setup.Load(), old.since})
	old.seal()
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Reset(k, "") })
	for range 1000 { // until it has met the sealed table
		runtime.Gosched()
	}
	l.publish(&next)
	l.swap.Unlock()
	wg.Wait()
	if d := l.Allow(k); !d.OK {
		t.Error("what was taken is still counted")
	}
}

// A chain that is changed while a call begins to watch it: the call is told, or
// watches the new one.
func TestAChangeIsNotMissedByACallThatBeginsToWatch(t *testing.T) {
	var chain [3]*Limiter
	for i := range chain {
		chain[i], _ = New("rule", Config{Limit: 1, Per: time.Hour})
	}
	l, middle, top := chain[0], chain[1], chain[2]
	if err := l.SetParent(middle); err != nil {
		t.Fatal(err)
	}
	w, k := watcher{changed: make(chan struct{}, 1)}, KeyOf("user")
	middle.watching.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { w.watch(l, &k) })
	for range 1000 { // until it stands before the middle one
		for runtime.Gosched(); l.watching.count.Load() == 0; {
			runtime.Gosched()
		}
	}
	if err := middle.SetParent(top); err != nil {
		t.Error(err)
	}
	middle.watching.mu.Unlock()
	wg.Wait()
	if len(w.changed) == 0 && top.watching.count.Load() == 0 {
		t.Error("the change was missed")
	}
	w.stop()
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

// A call that stops to watch takes nobody else's watch with it.
func TestWatchersOfOneBucketAreToldApart(t *testing.T) {
	var ws watchers
	h := key.Hash{Hi: 1, Lo: 2}
	stays, leaves := &watcher{changed: make(chan struct{}, 1)}, &watcher{changed: make(chan struct{}, 1)}
	ws.add(stays, h.Lo)
	ws.add(leaves, h.Lo)
	ws.remove(leaves, h.Lo)
	ws.tell(h)
	if len(stays.changed) != 1 || len(leaves.changed) != 0 {
		t.Errorf("told: %d that stays, %d that left", len(stays.changed), len(leaves.changed))
	}
	if ws.remove(stays, h.Lo); len(ws.of) != 0 || ws.count.Load() != 0 {
		t.Errorf("%d buckets and %d watchers are left", len(ws.of), ws.count.Load())
	}
}
