package gateway

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/elixirscope/foundation/internal/key"
)

func hashOf(parts ...any) key.Hash {
	k := key.Of(parts...)
	return k.Hash(key.All)
}

func (f *inFlight) entries() (n int) {
	for i := range f.shards {
		n += len(f.shards[i].counts)
	}
	return n
}

func TestInFlight_CountsEachKeyApartAndForgetsThoseAtZero(t *testing.T) {
	var f inFlight
	a, b := hashOf("a"), hashOf("b")
	for i, step := range []struct {
		key  key.Hash
		want bool
	}{{a, true}, {a, true}, {a, false}, {b, true}} {
		if got := f.take(step.key, 2); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	f.release(a)
	if !f.take(a, 2) || f.take(a, 2) {
		t.Error("one request ended, so one may begin")
	}
	for range 2 {
		f.release(a)
	}
	f.release(b)
	if n := f.entries(); n != 0 {
		t.Errorf("%d keys are left of none", n)
	}
}

func TestInFlight_GivesBackTheMemoryOfManyKeys(t *testing.T) {
	var f inFlight
	const keys = 100_000
	for i := range keys {
		f.take(hashOf(i), 1)
	}
	if n := f.entries(); n != keys {
		t.Fatalf("%d entries", n)
	}
	for i := range keys {
		f.release(hashOf(i))
	}
	for i := range f.shards {
		if s := &f.shards[i]; s.counts != nil || s.most != 0 {
			t.Fatalf("shard %d keeps a map that held %d", i, s.most)
		}
	}
}

func TestInFlight_DoesNotAllocateWhileKeysComeAndGo(t *testing.T) {
	var f inFlight
	keys := make([]key.Hash, 1000)
	for i := range keys {
		keys[i] = hashOf(i)
	}
	stays := hashOf("stays") // a shard that is never empty
	f.take(stays, 1)
	round := func() {
		for _, k := range keys {
			f.take(k, 1)
		}
		for _, k := range keys {
			f.release(k)
		}
	}
	for range 1000 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Never more than the limit of a key at a time, and nothing left in the end.
func TestInFlight_HoldsItsLimitUnderContention(t *testing.T) {
	const limit, keys, workers, rounds = 3, 5, 16, 2000
	var f inFlight
	var mu sync.Mutex
	var now [keys]int
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range rounds {
				i := rand.IntN(keys)
				if !f.take(hashOf(i), limit) {
					continue
				}
				mu.Lock()
				if now[i]++; now[i] > limit {
					t.Errorf("%d of key %d in flight", now[i], i)
				}
				mu.Unlock()
				mu.Lock()
				now[i]--
				mu.Unlock()
				f.release(hashOf(i))
			}
		})
	}
	all.Wait()
	if n := f.entries(); n != 0 {
		t.Errorf("%d keys are left", n)
	}
}

func BenchmarkInFlight(b *testing.B) {
	var f inFlight
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		k := hashOf(rand.Int())
		for pb.Next() {
			if f.take(k, 8) {
				f.release(k)
			}
		}
	})
}
