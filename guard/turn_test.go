package guard_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/ratelimit"
)

// shaped is a guard behind a leaky bucket that lets ten calls a second pass.
func shaped(t *testing.T, burst int64, change func(*guard.Config)) *guard.Guard {
	t.Helper()
	l, err := ratelimit.New("shape", ratelimit.Config{Algorithm: ratelimit.LeakyBucket, Limit: 10, Per: time.Second, Burst: burst})
	if err != nil {
		t.Fatal(err)
	}
	c := guard.Config{RateLimit: l}
	if change != nil {
		change(&c)
	}
	g, err := guard.New("g", c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// crowd makes n calls at once and counts how they ended.
func crowd(ctx context.Context, g *guard.Guard, n int) (admitted, refused, canceled int64, last time.Duration) {
	var in, out, gone atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for range n {
		wg.Go(func() {
			err := g.Do(ctx, func(context.Context) error { return nil })
			switch {
			case err == nil:
				in.Add(1)
			case errors.Is(err, fault.RateLimited):
				out.Add(1)
			case errors.Is(err, fault.Canceled):
				gone.Add(1)
			}
		})
	}
	wg.Wait()
	return in.Load(), out.Load(), gone.Load(), time.Since(begun)
}

// Nothing waited, so that of a crowd one call was admitted.
func TestALeakyBucketShapes(t *testing.T) {
	for name, c := range map[string]struct {
		burst                       int64
		timeout                     time.Duration
		admitted, refused, canceled int64
		last                        time.Duration
	}{
		"all have their turn":         {burst: 40, admitted: 40, last: 3900 * time.Millisecond},
		"the bucket is full":          {burst: 4, admitted: 5, refused: 35, last: 400 * time.Millisecond},
		"the timeout bounds the wait": {burst: 40, timeout: 250 * time.Millisecond, admitted: 3, refused: 37, last: 200 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := shaped(t, c.burst, func(cfg *guard.Config) { cfg.Timeout = c.timeout })
			in, out, gone, last := crowd(t.Context(), g, 40)
			if in != c.admitted || out != c.refused || gone != c.canceled || last != c.last {
				t.Errorf("%s: %d admitted, %d refused, %d canceled, the last after %v; want %+v", name, in, out, gone, last, c)
			}
		})
	}
}

func TestWhoLeavesBeforeItsTurnHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := shaped(t, 40, func(c *guard.Config) { c.Concurrency = 10 })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(250*time.Millisecond, cancel)
		in, out, gone, last := crowd(ctx, g, 10)
		if in != 3 || out != 0 || gone != 7 || last != 250*time.Millisecond {
			t.Errorf("%d admitted, %d refused, %d canceled, the last after %v", in, out, gone, last)
		}
		if s := g.Status(); s.InFlight != 0 {
			t.Errorf("%+v", s)
		}
		if in, _, _, last := crowd(t.Context(), g, 1); in != 1 || last != 50*time.Millisecond { // the turn of the first that left
			t.Errorf("%d admitted after %v", in, last)
		}
	})
}

// The time of a call begins with its turn.
func TestTheTimeoutOfACallBeginsWithItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := shaped(t, 40, func(c *guard.Config) { c.Timeout = 250 * time.Millisecond })
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				err := g.Do(t.Context(), func(ctx context.Context) error {
					deadline, _ := ctx.Deadline()
					if left := time.Until(deadline); left != 250*time.Millisecond {
						t.Errorf("%v left", left)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestInShadowNothingWaitsForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := shaped(t, 40, func(c *guard.Config) { c.Mode = mode.Shadow })
		if in, _, _, last := crowd(t.Context(), g, 40); in != 40 || last != 0 {
			t.Errorf("%d admitted, the last after %v", in, last)
		}
	})
}

// A call that waited for its turn in vain has waited, though it never came to the pool.
func TestAWaitForATurnInVainIsCountedBeforeAPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, rec := newStage(), &recorder{}
		g := shaped(t, 10, func(c *guard.Config) { c.Pool, c.Recorder = s, rec })
		db := must(guard.Bind[*conn](g))
		use := func(ctx context.Context) error {
			_, err := guard.DoWith(ctx, db, guard.Call{}, func(context.Context, *conn) (int, error) { return 0, nil })
			return err
		}
		_ = use(t.Context())
		leaving, leave := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, leave)
		wantCode(t, use(leaving), fault.Canceled)
		if st := g.Status(); st.Wait.Count != 1 || st.Wait.Mean != 50*time.Millisecond || rec.all[1].Wait != 50*time.Millisecond || s.checkouts != 1 {
			t.Errorf("%+v, told %+v, %d checkouts", st.Wait, rec.all, s.checkouts)
		}
	})
}
