package postgres_test

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/elixirscope/foundation/adapters/postgres"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

func adopt(t *testing.T, dsn string) (*postgres.Adopted, *pgxpool.Pool) {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 1
	p, err := pgxpool.NewWithConfig(background, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	a, err := postgres.Adopt("orders", p, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return a, p
}

func TestAnAdoptedPoolLendsAndSaysWhyNot(t *testing.T) {
	a, p := adopt(t, server(t).DSN())
	l, err := a.Checkout(background, pool.CheckoutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if reflect.TypeOf(l.Item.Worker) != a.WorkerType() {
		t.Errorf("lent a %T", l.Item.Worker)
	}
	for want, o := range map[fault.Code]pool.CheckoutOptions{fault.PoolTimeout: {}, fault.PoolFull: {NoWait: true}} {
		if _, err := a.Checkout(background, o); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	canceled, cancel := context.WithCancel(background)
	cancel()
	if _, err := a.Checkout(canceled, pool.CheckoutOptions{}); !errors.Is(err, fault.Canceled) {
		t.Errorf("got %v", err)
	}
	late, done := context.WithDeadline(background, time.Now().Add(-time.Second))
	defer done()
	if _, err := a.Checkout(late, pool.CheckoutOptions{}); !errors.Is(err, fault.PoolTimeout) {
		t.Errorf("its deadline had passed: %v", err)
	}
	a.Return(l, pool.Reuse)
	a.Return(l, pool.Reuse) // a second return is ignored
	if st := a.Stats(); st.StaleEnds != 1 || st.InUse != 0 || st.Timeouts != 2 || st.Full != 1 || st.Canceled != 1 {
		t.Errorf("%+v", st)
	}
	p.Close()
	if _, err := a.Checkout(background, pool.CheckoutOptions{}); !errors.Is(err, fault.Closed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAnAdoptedPoolReplacesWhatIsDiscarded(t *testing.T) {
	a, _ := adopt(t, server(t).DSN())
	var pids [2]uint32
	for i := range pids {
		l, err := a.Checkout(background, pool.CheckoutOptions{Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c, ok := l.Item.Worker.(*pgx.Conn)
		if !ok {
			t.Fatalf("%T", l.Item.Worker)
		}
		pids[i] = c.PgConn().PID()
		a.Return(l, pool.Destroy)
	}
	if pids[0] == pids[1] {
		t.Error("a discarded connection was lent again")
	}
}

func TestAnAdoptedPoolOfADeadServerIsTheServersFailure(t *testing.T) {
	a, _ := adopt(t, "postgres://u@127.0.0.1:1/d")
	if _, err := a.Checkout(background, pool.CheckoutOptions{}); !errors.Is(err, fault.WorkerFailed) {
		t.Errorf("got %v", err)
	}
	if _, err := postgres.Adopt("Bad\tName", nil, -1); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("got %v", err)
	}
}

// Occupancy is nobody's failure, also when a connection happens to be on its way from
// one borrower to the next at the moment when the time of a third is over.
func TestAnAdoptedPoolUnderLoadNeverBlamesTheServer(t *testing.T) {
	_, p := adopt(t, server(t).DSN())
	a, err := postgres.Adopt("orders", p, 100*time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	l, err := p.Acquire(background) // so that the connection is there
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	var timeouts atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for timeouts.Load() < 500 {
				l, err := a.Checkout(background, pool.CheckoutOptions{})
				switch {
				case err == nil:
					a.Return(l, pool.Reuse)
				case errors.Is(err, fault.PoolTimeout):
					timeouts.Add(1)
				case timeouts.Load() < 500: // later the crowd has gone, and a microsecond is too short even alone
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
}
