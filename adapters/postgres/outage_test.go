package postgres_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/elixirscope/foundation/adapters/postgres"
	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/pgtest"
	"github.com/elixirscope/foundation/pool"
)

// The whole chain: the server dies under 50 callers of a guard, whose breaker
// opens because workers cannot be made; the server comes back, the pool heals, a
// probe closes the breaker, and calls succeed again. Occupancy never counts.
func TestADeadServerOpensTheBreakerOfItsGuard(t *testing.T) {
	s := server(t)
	p := open(t, postgres.Options{DSN: s.DSN()}, pool.Config{Size: 4, CheckoutTimeout: 2 * time.Second, BackoffMax: 300 * time.Millisecond})
	b, err := breaker.New("orders", breaker.Config{FailureThreshold: 5, Window: 10 * time.Second, Cooldown: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	g, err := guard.New("orders", guard.Config{Breaker: b, Pool: p, Timeout: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	db, err := guard.Bind[*pgx.Conn](g)
	if err != nil {
		t.Fatal(err)
	}
	var succeeded, refused atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { callUntil(t, stop, db, &succeeded, &refused) })
	}
	await(t, "calls to succeed", func() bool { return succeeded.Load() > 200 })
	if b.State() != breaker.StateClosed {
		t.Error("50 callers of 4 workers opened the breaker: occupancy counted")
	}
	s.Kill()
	await(t, "the breaker to open", func() bool { return b.State() == breaker.StateOpen && refused.Load() > 0 })
	pgtest.Restart(t, s)
	back := succeeded.Load()
	await(t, "the breaker to close", func() bool { return b.State() == breaker.StateClosed && succeeded.Load() > back+200 })
	close(stop)
	wg.Wait()
}

func callUntil(t *testing.T, stop chan struct{}, db guard.Bound[*pgx.Conn], succeeded, refused *atomic.Int64) {
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case <-stop:
			return
		case <-pause.C:
		}
		_, err := guard.DoWith(background, db, guard.Call{}, func(ctx context.Context, c *pgx.Conn) (int, error) {
			var n int
			err := c.QueryRow(ctx, "select 1").Scan(&n)
			return n, err
		})
		switch {
		case err == nil:
			succeeded.Add(1)
		case errors.Is(err, fault.CircuitOpen):
			refused.Add(1)
		case errors.Is(err, fault.PoolFull):
			t.Errorf("%v", err)
		}
	}
}
