package perf

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/histogram"
	"github.com/elixirscope/foundation/telemetry"
)

// watched is a monitor of many parts whose seconds are stepped by hand.
type watched struct {
	m    *Monitor
	now  time.Time
	busy []*histogram.Histogram // of each part
	rand *rand.Rand
}

func newWatched(tb testing.TB, parts int) *watched {
	tb.Helper()
	m, err := New(Config{}, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	w := &watched{m: m, now: time.Unix(1_700_000_000, 0), rand: rand.New(rand.NewPCG(1, 2))}
	var sources []Source
	for i := range parts {
		h := histogram.New()
		w.busy = append(w.busy, h)
		read := func(into *telemetry.Calls, mark uint64) uint64 {
			if now := h.Count() + 1; now == mark {
				return mark
			}
			*into = telemetry.Calls{}
			h.AddTo(&into.Took)
			into.Succeeded = into.Took.Count()
			return into.Succeeded + 1
		}
		sources = append(sources, Source{Name: fmt.Sprint("part", i), Kind: "guard", Part: h, Read: read})
	}
	m.Follow("parts", sources)
	m.begin(w.now)
	m.pull(0)
	return w
}

// call lets every part have calls: lognormal ones, as those of a service are.
func (w *watched) call(calls int) {
	for _, h := range w.busy {
		for range calls {
			h.Record(time.Duration(20e6 * math.Exp(0.5*w.rand.NormFloat64())))
		}
	}
}

func (w *watched) second() {
	w.now = w.now.Add(time.Second)
	w.m.step(w.now, w.now.Unix()-1)
}

func heapInUse() float64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return float64(s.HeapAlloc)
}

// What is kept of a part has its place in memory: 64 MiB are 67,108 bytes for each of a thousand.
func TestMonitor_APartTakesAtMostItsShareOfMemory(t *testing.T) {
	const parts, most = 20, 64 << 20 / 1000
	w := newWatched(t, parts)
	before := heapInUse()
	for range 3700 { // until the rings are full
		w.call(20)
		w.second()
	}
	each := (heapInUse() - before) / parts
	t.Logf("%.0f bytes for each part that is busy", each)
	if each > most {
		t.Errorf("more than %d", most)
	}
	runtime.KeepAlive(w)
}

func TestMonitor_AnIdlePartTakesAlmostNothing(t *testing.T) {
	const parts = 1000
	w := newWatched(t, parts)
	before := heapInUse()
	for range 30 {
		w.second()
	}
	if each := (heapInUse() - before) / parts; each > 100 {
		t.Errorf("%.0f bytes for each part that is idle", each)
	}
	runtime.KeepAlive(w)
}

// Watching makes no garbage once the rings have their room.
func TestMonitor_MakesNoGarbage(t *testing.T) {
	w := newWatched(t, 5)
	for range 4000 {
		w.call(20)
		w.second()
	}
	if n := testing.AllocsPerRun(200, func() { w.call(20); w.second() }); n > 0.1 {
		t.Errorf("%v allocations a second", n)
	}
}

// BenchmarkMonitor is one second of a monitor of 1,000 guards, ticks included: what it takes of
// one core.
func BenchmarkMonitor(b *testing.B) {
	failed := errors.New("on purpose")
	for _, calls := range []int{0, 20} {
		b.Run(fmt.Sprintf("1000-guards-%d-calls", calls), func(b *testing.B) {
			m, err := New(Config{}, Options{})
			if err != nil {
				b.Fatal(err)
			}
			var sources []Source
			var guards []*guard.Guard
			for i := range 1000 {
				g, err := guard.New(fmt.Sprint("g", i), guard.Config{})
				if err != nil {
					b.Fatal(err)
				}
				guards = append(guards, g)
				sources = append(sources, Source{Name: g.Name(), Kind: "guard", Part: g, Read: g.ReadCalls})
			}
			m.Follow("parts", sources)
			w := &watched{m: m, now: time.Unix(1_700_000_000, 0)}
			m.begin(w.now)
			m.pull(0)
			load := func() {
				for i, g := range guards {
					for k := range calls {
						var answer error
						if (i+k)%50 == 0 {
							answer = failed
						}
						_ = g.Do(context.Background(), func(context.Context) error { return answer })
					}
				}
			}
			for range 400 {
				load()
				w.second()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				load()
				b.StartTimer()
				w.second()
			}
		})
	}
}
