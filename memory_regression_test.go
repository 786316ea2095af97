package foundation_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/elixirscope/foundation"
	"github.com/elixirscope/foundation/config"
	"github.com/elixirscope/foundation/guard"
)

// heap is how many bytes are in use when everything that can go has gone.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The bug: a guard that was removed was kept for ever, with its histograms, in case
// that its name came back: 22 KB for each name that there ever was.
func TestRemovedGuardsThatNobodyHoldsAreForgotten(t *testing.T) {
	f := open(t, foundation.Options{Config: &config.Config{}})
	const tenants = 300
	comeAndGo := func(round int) {
		for i := range tenants {
			name := fmt.Sprintf("tenant-%d-%d", round, i)
			guards(t, f, name)
			g, err := f.Guard(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Do(t.Context(), fine); err != nil {
				t.Fatal(err)
			}
		}
	}
	comeAndGo(0)
	before := heap()
	comeAndGo(1)
	after := heap()
	if grown := int64(after) - int64(before); grown > tenants*1024 {
		t.Errorf("the heap has grown by %d bytes for each guard that is no more", grown/tenants)
	}
	runtime.KeepAlive(f)
}

// Whoever holds a guard gets the same one when its name is back, counters included.
func TestARemovedGuardThatSomebodyHoldsComesBack(t *testing.T) {
	f := open(t, foundation.Options{Config: &config.Config{}})
	guards(t, f, "g")
	g, err := f.Guard("g")
	if err != nil {
		t.Fatal(err)
	}
	_ = g.Do(t.Context(), fine)
	for i := range 100 { // other changes must not forget it
		guards(t, f, fmt.Sprintf("other-%d", i))
	}
	heap()
	guards(t, f, "other", "g")
	if again, _ := f.Guard("g"); again != g || g.Do(t.Context(), fine) != nil || g.Status().Results[guard.Succeeded] != 2 {
		t.Errorf("the handle is another, or does not serve: %v", g.Status().Results)
	}
}

// guards makes these and no others the guards of f.
func guards(t *testing.T, f *foundation.Foundation, names ...string) {
	t.Helper()
	cfg := &config.Config{Guards: make(map[string]config.Guard)}
	for _, name := range names {
		cfg.Guards[name] = config.Guard{}
	}
	apply(t, f, cfg)
}
