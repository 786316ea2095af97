package perf_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/perf"
)

// distributions are shapes that durations have.
func distributions(r *rand.Rand) map[string]func() time.Duration {
	return map[string]func() time.Duration{
		"lognormal":   func() time.Duration { return time.Duration(5e6 * math.Exp(r.NormFloat64())) },
		"exponential": func() time.Duration { return time.Duration(1e6 * r.ExpFloat64()) },
		"uniform":     func() time.Duration { return time.Duration(r.Int64N(1e9)) },
		"two humps": func() time.Duration {
			return time.Duration(float64([2]int64{1e5, 3e9}[r.IntN(2)]) * (1 + 0.1*r.Float64()))
		},
		"pareto": func() time.Duration { return min(30*time.Second, time.Duration(1e4/math.Pow(1-r.Float64(), 1/1.2))) },
	}
}

func TestSnapshot_QuantilesKeepToTheirError(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for name, draw := range distributions(r) {
		run(t, perf.Config{}, perf.Options{}, func(k *kit) {
			op, all := k.m.Operation("x"), make([]time.Duration, 20_000)
			for i := range all {
				all[i] = draw()
				op.Record(all[i], outcome.Success)
			}
			slices.Sort(all)
			time.Sleep(time.Second + time.Millisecond)
			synctest.Wait()
			whole, err := k.m.Snapshot("op:x")
			if err != nil {
				k.Fatal(err)
			}
			window, err := k.m.Window("op:x", time.Now().Add(-time.Minute), time.Now())
			if err != nil {
				k.Fatal(err)
			}
			if whole.Error() != 1.0/64 || window.Error() > 1.0/4 {
				k.Errorf("%s: errors of %v and %v", name, whole.Error(), window.Error())
			}
			for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
				exact := float64(all[max(0, int(math.Ceil(q*float64(len(all))))-1)])
				for of, s := range map[string]*perf.Snapshot{"all": whole, "window": window} {
					if off := math.Abs(float64(s.Quantile(q))-exact) / exact; off > s.Error()+1e-9 && exact > 64 {
						k.Errorf("%s of %s: quantile %v is %v, exactly %v: off by %.4f, more than %.4f", of, name, q, s.Quantile(q), time.Duration(exact), off, s.Error())
					}
				}
			}
		})
	}
}

// Every call is in the windows once, whatever runs at the same time.
func TestMonitor_CountsExactlyUnderConcurrency(t *testing.T) {
	const goroutines, records = 16, 20_000
	run(t, perf.Config{Tick: time.Second}, perf.Options{}, func(k *kit) {
		op := k.m.Operation("x")
		var wg sync.WaitGroup
		for g := range goroutines {
			wg.Go(func() {
				for i := range records {
					op.Record(time.Duration(g+1)*time.Millisecond, outcome.Outcome(i%3))
					if i%1000 == 0 {
						time.Sleep(time.Second)
						if s, err := k.m.Snapshot("op:x"); err != nil || s.Succeeded != s.Measured() {
							k.Errorf("%+v, %v", s.Counts, err)
						}
					}
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		const each = goroutines * records / 3
		within := func(n uint64) bool { return n >= each-goroutines && n <= each+goroutines }
		whole, err := k.m.Snapshot("op:x")
		if err != nil || whole.Calls()+whole.Ignored != goroutines*records || !within(whole.Failed) || !within(whole.Ignored) {
			k.Fatalf("%+v, %v", whole.Counts, err)
		}
		window, err := k.m.Window("op:x", time.Now().Add(-time.Hour), time.Now())
		if err != nil || window.Counts != whole.Counts || window.Measured() != whole.Measured() || window.Mean() != whole.Mean() {
			k.Errorf("the window has %+v, mean %v; all are %+v, mean %v", window.Counts, window.Mean(), whole.Counts, whole.Mean())
		}
		s, err := k.m.Series("op:x", time.Now().Add(-2*time.Minute), time.Now(), time.Second, "calls", "failed")
		var calls, failed float64
		for i := range s.Times {
			calls += s.Values[0][i]
			failed += s.Values[1][i]
		}
		if err != nil || calls != float64(whole.Calls()) || failed != float64(whole.Failed) {
			k.Errorf("the seconds have %v calls, %v failed, %v; want %+v", calls, failed, err, whole.Counts)
		}
	})
}

func TestMonitor_TheNumberOfOperationsIsBounded(t *testing.T) {
	run(t, perf.Config{MaxOperations: 3}, perf.Options{}, func(k *kit) {
		seen := map[*perf.Operation]bool{}
		for _, name := range []string{"a", "b", "c", "d", "e", "a", "bad\nname", ""} {
			op := k.m.Operation(name)
			op.Record(time.Millisecond, outcome.Success)
			seen[op] = true
		}
		a, again := k.m.Operation("a"), k.m.Operation("a")
		if k.m.Operation("d") != k.m.Operation("e") || a != again || a == k.m.Operation("b") {
			k.Error("the wrong ones are shared")
		}
		other, err := k.m.Snapshot("op:other")
		if err != nil || other.Succeeded != 4 || len(seen) != 4 {
			k.Errorf("%+v, %v, %d operations", other, err, len(seen))
		}
	})
}

func TestOperation_RecordDoesNotAllocate(t *testing.T) {
	var op perf.Operation
	op.Record(time.Second, outcome.Success)
	if n := testing.AllocsPerRun(1000, func() {
		op.Record(time.Millisecond, outcome.Success)
		op.Record(time.Millisecond, outcome.Failure)
		op.Record(time.Millisecond, outcome.Ignored)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var none *perf.Operation
	none.Record(time.Second, outcome.Success) // and nothing happens
}

func BenchmarkOperation_Record(b *testing.B) {
	var op perf.Operation
	b.RunParallel(func(pb *testing.PB) {
		for d := time.Duration(0); pb.Next(); d += 1000 {
			op.Record(d&(1<<30-1), outcome.Success)
		}
	})
}
