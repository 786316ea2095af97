package guard_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/retry"
)

// Hedged calls of every kind and end, while the settings change: afterwards every account
// is even, and no more was made twice than the budget allows.
func TestHedge_Stress(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 500, Cooldown: time.Millisecond, Probes: 3})
	rec := &counter{}
	policies := []guard.Config{
		{Hedge: after(time.Millisecond, 3), Breaker: b, Concurrency: 40, Recorder: rec},
		{Hedge: by(50), Breaker: b, Concurrency: 40, Recorder: rec, Timeout: time.Second},
		{Hedge: after(2*time.Millisecond, 1), Retry: &retry.Config{Attempts: 3, Backoff: time.Microsecond}, Breaker: b, Concurrency: 40, Recorder: rec, Timeout: 3 * time.Millisecond},
		{Breaker: b, Concurrency: 40, Recorder: rec},
	}
	g := newGuard(t, policies[0])
	st := newStage()
	db := must(guard.Bind[*conn](must(guard.New("orders", guard.Config{Hedge: after(time.Millisecond, 2), Pool: st, Breaker: b, Recorder: rec}))))
	var began, ran atomic.Int64
	fn := func(ctx context.Context) (int, error) {
		ran.Add(1)
		timer := time.NewTimer(time.Duration(rand.IntN(4000)) * time.Microsecond)
		defer timer.Stop()
		done := ctx.Done()
		if rand.IntN(4) == 0 {
			done = nil
		}
		select {
		case <-timer.C:
		case <-done:
			return 0, ctx.Err()
		}
		switch rand.IntN(8) {
		case 0, 1:
			return 0, errDown
		case 2:
			return 0, panics(ctx)
		case 3:
			return 0, exits(ctx)
		}
		return 1, nil
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 100 {
				call := guard.Call{Idempotent: n%5 > 0, Target: []string{"", "a", "b"}[n%3]}
				ctx, cancel := context.WithCancel(context.Background())
				if n%7 == 0 {
					time.AfterFunc(time.Millisecond, cancel)
				}
				began.Add(1)
				drive(func() {
					if i%4 == 0 {
						_, _ = guard.DoHedgedWith(ctx, db, call, func(ctx context.Context, _ *conn) (int, error) { return fn(ctx) })
					} else {
						_, _ = guard.DoHedged(ctx, g, call, fn)
					}
				})
				cancel()
			}
		})
	}
	stop := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = g.Reconfigure(policies[i%len(policies)])
				_ = g.Status()
			}
		}
	})
	wg.Wait()
	close(stop)
	changes.Wait()
	for _, g := range []*guard.Guard{g, db.Guard()} {
		settled(t, g)
		s := g.Status()
		if h := s.Hedges; h.Started == 0 || h.Started != h.Won+h.Lost+h.Failed {
			t.Errorf("hedges %+v", h)
		}
		for _, budget := range s.Retries.Budgets {
			if float64(budget.Retries) > 10+0.2*float64(budget.First) {
				t.Errorf("budget %+v", budget)
			}
		}
		if s.InFlight != 0 || s.SlotsTaken != 0 {
			t.Errorf("%+v", s)
		}
	}
	if st.out() != 0 || rec.told.Load() != began.Load() {
		t.Errorf("%d workers are out, %d calls recorded of %d", st.out(), rec.told.Load(), began.Load())
	}
	if c := b.Status().Totals; int64(c.Successes+c.Failures+c.Ignored) != ran.Load() {
		t.Errorf("the breaker counts %+v, %d attempts ran", c, ran.Load())
	}
}

// settled waits for the attempts that lost.
func settled(t *testing.T, g *guard.Guard) {
	t.Helper()
	for range time.Tick(time.Millisecond) {
		if g.Status().Hedges.Losers == 0 {
			return
		}
	}
}
