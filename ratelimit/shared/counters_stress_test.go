package shared_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/telemetry"
)

// limiters returns limiters of n processes that share a store.
func limiters(t *testing.T, s shared.Store, cfg ratelimit.Config, n int, p shared.Policy) ([]*ratelimit.Limiter, []*shared.Counters) {
	t.Helper()
	ls, cs := make([]*ratelimit.Limiter, n), make([]*shared.Counters, n)
	for i := range n {
		l, err := ratelimit.New("rule", cfg)
		if err != nil {
			t.Fatal(err)
		}
		cs[i] = counters(t, s, shared.Options{Timeout: time.Minute})
		cs[i].SetInstances(n)
		l.SetRemote(cs[i].Rule("rule", p))
		ls[i] = l
	}
	return ls, cs
}

// Callers of several processes that want more than there is get all of it and no more; of
// what was taken ahead, what is held in the end is missing.
func TestSaturationIsExact(t *testing.T) {
	for _, algorithm := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingLog} {
		for _, prefetch := range []int64{0, 50} {
			limit := int64(2_000 * testkit.Rounds(1))
			ls, cs := limiters(t, shared.NewMemoryStore(nil), *eternal(algorithm, limit), 3, shared.Policy{Prefetch: prefetch})
			var admitted, refused atomic.Int64
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					for refused.Load() < 200 {
						if ls[i%3].Allow(user).OK {
							admitted.Add(1)
						} else {
							refused.Add(1)
						}
					}
				})
			}
			wg.Wait()
			if got := admitted.Load(); got > limit || got < limit-3*prefetch {
				t.Errorf("%v, prefetch %d: %d calls were admitted of %d", algorithm, prefetch, got, limit)
			}
			for _, c := range cs {
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// Whatever is done to counters while calls run, no token is made: what calls kept, the
// store gave.
func TestNoTokenIsMadeWhileEverythingChanges(t *testing.T) {
	for name, rules := range map[string]int64{"one rule": 1, "rules that change": 2} {
		t.Run(name, func(t *testing.T) { testNoTokenIsMade(t, rules) })
	}
}

func testNoTokenIsMade(t *testing.T, rules int64) {
	t.Helper()
	const limit = 10_000_000
	store := newFaulty()
	cfg := *eternal(ratelimit.GCRA, limit)
	ls, cs := limiters(t, store, cfg, 3, shared.Policy{Prefetch: 100})
	enough := 4_000 / (rules * rules) * int64(testkit.Rounds(1))
	var kept [4]atomic.Int64
	var byStore atomic.Int64
	var done atomic.Bool
	var callers, changers sync.WaitGroup
	for i := range 6 {
		callers.Go(func() {
			for n := 0; byStore.Load() < enough; n++ {
				k := (n + i) % len(kept)
				d := ls[i%3].AllowN(ratelimit.KeyOf(k), int64(n%3+1))
				switch {
				case !d.OK || d.Source == ratelimit.Fallback || d.Source == ratelimit.Local:
				case n%4 == 0:
					d.Refund()
				default:
					byStore.Add(1)
					kept[k].Add(d.Taken)
				}
			}
		})
	}
	change := func(fn func(i int)) {
		changers.Go(func() {
			for i := 0; !done.Load(); i++ {
				fn(i)
			}
		})
	}
	change(func(i int) { cs[i%3].Rule("rule", shared.Policy{Prefetch: int64(i % 4 * 50)}) })
	change(func(i int) { cs[i%3].SetInstances(i%4 + 1) })
	change(func(i int) {
		if err := ls[i%3].Reconfigure(*eternal(ratelimit.GCRA, limit*(1+int64(i)%rules))); err != nil {
			t.Error(err)
		}
	})
	change(func(i int) {
		ls[i%3].SetRemote(nil)
		ls[i%3].SetRemote(cs[i%3].Rule("rule", shared.Policy{Prefetch: 100}))
	})
	change(func(i int) {
		if i%50 == 0 {
			cs[i%3].Forget("rule")
		}
		_, _ = ls[i%3].Peek(user), cs[i%3].Status()
		cs[i%3].Collect(func(telemetry.Sample) {})
	})
	change(func(i int) {
		store.fail(nil)
		if i%64 == 0 {
			store.fail(errDown)
		}
	})
	callers.Wait()
	done.Store(true)
	changers.Wait()
	store.fail(nil)
	for k := range kept {
		d, err := store.Store.Peek(t.Context(), shared.Rule{Name: "rule", Config: cfg}, ratelimit.KeyOf(k), 1)
		if err != nil || limit-d.Remaining < kept[k].Load() {
			t.Errorf("key %d: calls kept %d, the store gave %d, %v", k, kept[k].Load(), limit-d.Remaining, err)
		}
	}
}

// Counters may be closed while calls run, which go on without the store.
func TestCloseWhileCallsRun(t *testing.T) {
	for range testkit.Rounds(10) {
		store := newFaulty()
		ls, cs := limiters(t, store, *eternal(ratelimit.GCRA, 1_000_000), 1, shared.Policy{Prefetch: 100})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for n := range 500 {
					d := ls[0].Allow(user)
					if !d.OK {
						t.Errorf("%+v", d)
					}
					if n%3 == 0 {
						d.Refund()
					}
				}
			})
		}
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() { _ = cs[0].Close(context.Background()) })
		}
		closers.Wait()
		asked := store.takes.Load() + store.refunds.Load()
		wg.Wait()
		if late := store.takes.Load() + store.refunds.Load() - asked; late > 4 { // calls that had begun
			t.Errorf("the store was asked %d times after the end", late)
		}
		if d := ls[0].Allow(user); d.Source != ratelimit.Fallback {
			t.Errorf("%+v", d)
		}
	}
}
