package pool_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/pool"
)

// Whoever asks after a Reset has returned gets a worker whose making began after it,
// whatever way the workers take, and there are never more than the pool may have.
func TestStressNoBorrowerMeetsAWorkerOfBeforeAReset(t *testing.T) {
	const size, overflow, resets = 3, 1, 300
	var begun, done atomic.Int64 // resets
	var live atomic.Int64
	p, err := pool.New("test", pool.Config{Size: size, MaxOverflow: overflow, CheckInterval: time.Millisecond, CheckAfter: time.Millisecond}, pool.Factory[int64]{
		New: func(context.Context) (int64, error) {
			if n := live.Add(1); n > size+overflow {
				t.Errorf("%d workers at one time", n)
			}
			return begun.Load(), nil
		},
		Check: func(context.Context, int64) error { return nil },
		Close: func(int64) { live.Add(-1) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Crowd()
	ended := make(chan struct{})
	lent := make(chan struct{}, 1) // holds one element since the last loan that was looked at
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for done.Load() < resets {
				after := done.Load()
				if err := p.With(background, func(_ context.Context, of int64) error {
					if of < after {
						t.Errorf("a worker of before reset %d after reset %d", of+1, after)
					}
					return nil
				}); err != nil {
					t.Error(err)
					return
				}
				select {
				case lent <- struct{}{}:
				default:
				}
			}
		})
	}
	go func() { wg.Wait(); close(ended) }()
	for range resets {
		begun.Add(1)
		p.Reset()
		done.Add(1)
		select { // some loans between two resets
		case <-lent:
		case <-ended:
		}
	}
	<-ended
	shut(t, p)
	if st := p.Stats(); live.Load() != 0 || st.Resets != resets || st.InUse != 0 || st.Failures+st.Created != st.Attempts {
		t.Errorf("%d workers left, %+v", live.Load(), st)
	}
}
