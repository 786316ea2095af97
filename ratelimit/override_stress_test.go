package ratelimit_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/ratelimit"
)

// Whatever becomes of the overrides of keys while calls run, what was admitted is counted, all
// of it and once.
func TestWhatIsTakenIsCountedWhileOverridesChange(t *testing.T) {
	for _, a := range []ratelimit.Algorithm{ratelimit.GCRA, ratelimit.FixedWindow, ratelimit.SlidingLog} {
		t.Run(a.String(), func(t *testing.T) {
			const limit, keys = 3_000, 4
			cfg := ratelimit.Config{Algorithm: a, Limit: limit, Per: 100_000 * time.Hour}
			l := must(t, cfg)
			var admitted [keys]atomic.Int64
			var done atomic.Bool
			var callers, changers sync.WaitGroup
			for g := range 4 {
				callers.Go(func() {
					for i := range 6_000 {
						n := (i + g) % keys
						if d := l.Allow(ratelimit.KeyOf(n)); d.OK {
							admitted[n].Add(1)
						}
						if i%64 == 0 {
							l.Peek(ratelimit.KeyOf(n))
						}
					}
				})
			}
			changers.Go(func() {
				for i := 0; !done.Load(); i++ {
					byKey := overrides{}
					for n := range keys - 1 {
						switch o := (ratelimit.Override{Limit: limit - int64(i%7)}); (i + n) % 4 {
						case 0, 1:
							byKey[strconv.Itoa(n)] = o
						case 2:
							byKey[strconv.Itoa(n)] = ratelimit.Override{Limit: limit - 3}
						}
					}
					if err := l.SetOverrides(byKey); err != nil {
						t.Error(err)
					}
				}
			})
			changers.Go(func() {
				for i := 0; !done.Load(); i++ {
					next := cfg
					next.Limit -= int64(i % 2)
					next.MaxKeys = 1_000 + i%3
					if err := l.Reconfigure(next); err != nil {
						t.Error(err)
					}
				}
			})
			callers.Wait()
			done.Store(true)
			changers.Wait()
			if err := l.ReconfigureWith(cfg, nil); err != nil {
				t.Fatal(err)
			}
			for n := range keys {
				if left := l.Peek(ratelimit.KeyOf(n)).Remaining; left != limit-admitted[n].Load() {
					t.Errorf("key %d: %d of %d were admitted, and %d are left", n, admitted[n].Load(), limit, left)
				}
			}
			if st := l.Status(); st.TrackedKeys != keys || st.Overflowed != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}
