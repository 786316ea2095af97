package ratelimit_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
)

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The three rules whose state is two words of 64 bits, beside the hash of the key
// and with everything around them, cost less than 100 bytes for each live key.
func TestAMillionKeysCostLessThan100BytesEach(t *testing.T) {
	for i, a := range algorithms[:3] {
		keys := uint64(1_000_000)
		if i > 0 || testkit.Race {
			keys = 100_000 // the table is the same
		}
		before := heap()
		l := must(t, ratelimit.Config{Algorithm: a, Limit: 100, Per: time.Hour})
		for i := range keys {
			l.Allow(ratelimit.KeyOf(i))
		}
		used := heap() - before
		if per := used / keys; per > 100 || l.Status().TrackedKeys != int64(keys) {
			t.Errorf("%v: %d bytes for each of %d keys", a, per, l.Status().TrackedKeys)
		} else {
			t.Logf("%v: %d bytes for each of %d keys", a, per, keys)
		}
		runtime.KeepAlive(l)
	}
}

// Between two sizes of the tables the old and the new ones are both there.
func TestKeysCostLessThan100BytesWhileTablesGrow(t *testing.T) {
	before, worst := heap(), uint64(0)
	l := must(t, ratelimit.Config{Limit: 100, Per: time.Hour})
	for i := range uint64(200_000) {
		l.Allow(ratelimit.KeyOf(i))
		if i > 50_000 && i%10_000 == 0 {
			worst = max(worst, (heap()-before)/i)
		}
	}
	if worst > 100 {
		t.Errorf("up to %d bytes a key", worst)
	}
	runtime.KeepAlive(l)
}

// An override costs little beside what was configured, and its key as much as any other.
func TestWhatOverridesCost(t *testing.T) {
	const keys = 100_000
	byKey := plans(keys)
	before := heap()
	l := overridden(t, ratelimit.Config{Limit: 100, Per: time.Hour}, byKey)
	table := heap() - before
	for name := range byKey {
		l.Allow(ratelimit.KeyOf(name))
	}
	used := heap() - before - table
	t.Logf("%d bytes for each override, %d for each of their keys", table/keys, used/keys)
	if table/keys > 250 || used/keys > 100 {
		t.Errorf("%d bytes for each override, %d for each of their keys", table/keys, used/keys)
	}
	runtime.KeepAlive(l)
	runtime.KeepAlive(byKey)
}
