package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// A borrower that comes back late leaves the factory a call that has only begun:
// Close waits as long for that one as for any other.
func TestCloseGivesEveryCallOfTheFactoryItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const grace = 10 * time.Second
		p, err := pool.New("test", pool.Config{Size: 1, CreateTimeout: grace}, pool.Factory[int]{
			New:   func(context.Context) (int, error) { return 1, nil },
			Close: func(int) { time.Sleep(grace - time.Second) },
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(grace-time.Second, func() { l.Release() })
		if err := p.Close(background); err != nil {
			t.Errorf("the worker was being closed for a second only: %v", err)
		}
	})
}

// Several borrowers come back one after the other, the last long after the first
// worker has hung: Close gives up a grace after the last call began.
func TestCloseGivesUpAGraceAfterTheLastCallOfTheFactory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const grace = 10 * time.Second
		release := make(chan struct{})
		p, err := pool.New("test", pool.Config{Size: 2, CreateTimeout: grace}, pool.Factory[int]{
			New:   func(context.Context) (int, error) { return 1, nil },
			Close: func(int) { <-release },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, after := range []time.Duration{2 * grace, 3*grace + grace/2} {
			l, err := p.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(after, func() { l.Release() })
		}
		begun := time.Now()
		wantCode(t, p.Close(background), fault.Unavailable)
		if took := time.Since(begun); took != 4*grace+grace/2 {
			t.Errorf("Close gave up after %v", took)
		}
		close(release)
		shut(t, p)
	})
}

// The check of a borrower is one of the calls that Close tells to stop.
func TestCloseEndsTheCheckOfABorrower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.New("test", pool.Config{Size: 1, CheckTimeout: time.Hour, CheckoutTimeout: time.Hour, CheckInterval: -1}, pool.Factory[int]{
			New:   func(context.Context) (int, error) { return 1, nil },
			Check: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() },
		})
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		l.Suspect()
		refused := make(chan error, 1)
		go func() {
			_, err := p.Acquire(background)
			refused <- err
		}()
		synctest.Wait()
		begun := time.Now()
		if err := p.Close(background); err != nil || time.Since(begun) != 0 {
			t.Errorf("Close took %v: %v", time.Since(begun), err)
		}
		wantCode(t, <-refused, fault.Closed)
	})
}

// A pool that has ended says so, whatever has become of the context meanwhile.
func TestCloseOfAnEndedPoolIsNilWhateverTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{}, &server{})
		shut(t, p)
		ctx, cancel := context.WithCancel(background)
		cancel()
		for range 100 {
			if err := p.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
		q := open(t, pool.Config{Size: 1}, &server{})
		l := acquire(t, q)
		if err := q.Close(ctx); !errors.Is(err, fault.Unavailable) || !errors.Is(err, context.Canceled) {
			t.Errorf("with a worker out: %v", err)
		}
		l.Release()
		shut(t, q)
	})
}
