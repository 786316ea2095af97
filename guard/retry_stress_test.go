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
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/retry"
)

// Calls with attempts of every kind and end, while the policy changes and tokens are closed
// by others: afterwards every account is even, and no target had more retries than its
// budget.
func TestRetry_Stress(t *testing.T) {
	b := newBreaker(t, breaker.Config{FailureThreshold: 200, Cooldown: time.Millisecond, Probes: 3})
	st, rec := newStage(), &counter{}
	policies := []guard.Config{
		{Retry: &retry.Config{Attempts: 3, Backoff: time.Microsecond}, Breaker: b, Concurrency: 40, Recorder: rec},
		{Retry: &retry.Config{Attempts: 2, Backoff: time.Microsecond, AttemptTimeout: 2 * time.Millisecond}, Breaker: b, Concurrency: 40, Recorder: rec, Timeout: time.Second},
		{Breaker: b, Concurrency: 40, Recorder: rec},
	}
	g := newGuard(t, policies[0])
	pooled := guard.Config{Retry: policies[0].Retry, Pool: st, Breaker: b, Recorder: rec}
	db := must(guard.Bind[*conn](must(guard.New("orders", pooled))))
	var began, ran, retried atomic.Int64
	fn := func(ctx context.Context) error {
		ran.Add(1)
		switch rand.IntN(6) {
		case 0:
			return errDown
		case 1:
			return retry.Final(errDown)
		case 2:
			return panics(ctx)
		case 3:
			return exits(ctx)
		}
		return nil
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range 300 {
				call := guard.Call{Idempotent: n%5 > 0, Target: []string{"", "a", "b"}[n%3]}
				began.Add(1)
				drive(func() {
					switch i % 4 {
					case 0, 1:
						_ = g.DoCall(context.Background(), call, fn)
					case 2:
						_, _ = guard.DoWith(context.Background(), db, call, func(ctx context.Context, _ *conn) (int, error) { return 0, fn(ctx) })
					case 3:
						token(g, call, fn)
					}
				})
			}
		})
	}
	done := make(chan struct{})
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Microsecond):
				_ = g.Reconfigure(policies[i%len(policies)])
				_ = g.Status()
			}
		}
	})
	wg.Wait()
	close(done)
	changes.Wait()
	_ = g.Reconfigure(policies[0])
	for _, s := range []guard.Status{g.Status(), db.Guard().Status()} {
		if s.InFlight != 0 || s.SlotsTaken != 0 {
			t.Errorf("%s: %d in flight, %d slots", s.Name, s.InFlight, s.SlotsTaken)
		}
		var sum uint64
		for _, n := range s.Retries.Retried {
			sum += n
		}
		retried.Add(int64(sum))
	}
	if st.out() != 0 || rec.told.Load() != began.Load() {
		t.Errorf("%d workers are out, %d of %d calls are recorded", st.out(), rec.told.Load(), began.Load())
	}
	if refused := rec.refused.Load(); ran.Load() != began.Load()-refused+retried.Load() {
		t.Errorf("%d runs of %d calls, %d refused, %d retries", ran.Load(), began.Load(), refused, retried.Load())
	}
	if c := b.Status().Totals; int64(c.Successes+c.Failures+c.Ignored) != ran.Load() {
		t.Errorf("%d runs, the breaker counts %+v", ran.Load(), c)
	}
}

// counter is a recorder that counts.
type counter struct{ told, refused atomic.Int64 }

func (c *counter) Record(o guard.Observation) {
	c.told.Add(1)
	if o.Refused != 0 {
		c.refused.Add(1)
	}
}

// token makes a call of the two-step form that somebody else may close meanwhile.
func token(g *guard.Guard, call guard.Call, fn func(context.Context) error) {
	tok, err := g.Enter(context.Background(), call)
	if err != nil {
		return
	}
	defer tok.Close()
	var other sync.WaitGroup
	defer other.Wait()
	if rand.IntN(3) == 0 {
		other.Go(func() { tok.Done(errDown) })
	}
	for again := true; again; {
		if err = fn(tok.Context()); err == nil {
			break
		}
		again, err = tok.Retry(context.Background(), outcome.Failure, err)
	}
	tok.Done(err)
}
