package pool_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/elixirscope/foundation/pool"
)

// Idle workers beyond the minimum go, borrowed ones stay, and a pool that keeps its size does.
func TestTrim_ClosesIdleWorkersBeyondTheMinimum(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg        pool.Config
		want, left int
	}{
		"lazy":           {pool.Config{Size: 6}, 4, 2},
		"with a minimum": {pool.Config{Size: 6, MinIdle: 3}, 1, 5},
		"warm":           {pool.Config{Size: 6, Start: pool.Warm}, 0, 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, err := pool.New("p", tt.cfg, pool.Factory[*int]{New: func(context.Context) (*int, error) { return new(int), nil }})
			if err != nil {
				t.Fatal(err)
			}
			var leases []pool.Lease[*int]
			for range 6 {
				l, err := p.Acquire(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				leases = append(leases, l)
			}
			for _, l := range leases[2:] {
				l.Release()
			}
			synctest.Wait()
			if n := p.Trim(); n != tt.want {
				t.Errorf("%s: %d were closed", name, n)
			}
			synctest.Wait()
			if s := p.Stats(); s.Idle+s.InUse != tt.left || s.InUse != 2 {
				t.Errorf("%s: left are %+v", name, s)
			}
			leases[0].Release()
			leases[1].Release()
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if n := p.Trim(); n != 0 {
				t.Errorf("%s: a closed pool closed %d", name, n)
			}
		})
	}
}
