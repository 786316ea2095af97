package pool_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// A borrower that does not queue is refused during the pause after a failure, and brings
// about the next attempt once the pause is over.
func TestAfterThePauseABorrowerThatDoesNotQueueIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, Backoff: 4 * time.Second, BackoffMax: 4 * time.Second}, s)
		defer shut(t, p)
		held := acquire(t, p)
		defer held.Release()
		s.down.Store(true)
		_, err := p.Checkout(background, pool.CheckoutOptions{NoWait: true})
		wantCode(t, err, fault.WorkerFailed)
		s.down.Store(false)
		later(time.Second) // a pause is half of it at least
		_, err = p.Checkout(background, pool.CheckoutOptions{NoWait: true})
		wantCode(t, err, fault.WorkerFailed)
		if s.attempt.Load() != 2 {
			t.Errorf("%d attempts, want no third during the pause", s.attempt.Load())
		}
		later(4 * time.Second)
		loan, err := p.Checkout(background, pool.CheckoutOptions{NoWait: true})
		if err != nil {
			t.Fatal(err)
		}
		p.Return(loan, pool.Reuse)
	})
}

// While an attempt that began before a failure still runs, a borrower that does not
// queue may wait for it.
func TestABorrowerThatDoesNotQueueWaitsForAnAttemptThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int64
		p, err := pool.New("test", pool.Config{Size: 2, CheckoutTimeout: time.Minute, Backoff: time.Hour, BackoffMax: time.Hour}, pool.Factory[int64]{
			New: func(context.Context) (int64, error) {
				n := attempts.Add(1)
				time.Sleep(time.Duration(n*n) * time.Second)
				if n == 1 {
					return 0, errDown
				}
				return n, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		ctx, cancel := context.WithTimeout(background, 2*time.Second)
		defer cancel()
		gone := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := p.Acquire(ctx)
				gone <- err
			}()
		}
		wantCode(t, <-gone, fault.PoolTimeout) // the first attempt has failed meanwhile
		wantCode(t, <-gone, fault.PoolTimeout)
		loan, err := p.Checkout(background, pool.CheckoutOptions{NoWait: true})
		if err != nil {
			t.Fatal(err)
		}
		p.Return(loan, pool.Reuse)
	})
}

// A worker that is being checked in the background answers one borrower that does not
// queue, and no second.
func TestABorrowerThatDoesNotQueueWaitsForACheckThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f := s.factory()
		f.Check = func(context.Context, *conn) error { time.Sleep(time.Second); return nil }
		p, err := pool.New("test", pool.Config{Size: 1, CheckInterval: 10 * time.Second, CheckTimeout: time.Minute}, f)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		acquire(t, p).Release()
		later(10 * time.Second)
		lent := make(chan error, 1)
		go func() {
			loan, err := p.Checkout(background, pool.CheckoutOptions{NoWait: true})
			lent <- err
			p.Return(loan, pool.Reuse)
		}()
		synctest.Wait()
		_, err = p.Checkout(background, pool.CheckoutOptions{NoWait: true})
		wantCode(t, err, fault.PoolFull)
		if err := <-lent; err != nil {
			t.Error(err)
		}
	})
}

// An attempt that a Close ends is no failure of the server.
func TestAnAttemptThatCloseEndsIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := &server{}, telemetry.NewBus()
		failures := heard[pool.WorkerFailed](t, bus)
		s.delay.Store(int64(time.Minute))
		p := open(t, pool.Config{Size: 1}, s, pool.WithBus(bus))
		refused := make(chan error, 1)
		go func() {
			_, err := p.Acquire(background)
			refused <- err
		}()
		synctest.Wait()
		shut(t, p)
		wantCode(t, <-refused, fault.Closed)
		if st := p.Status(); st.Degraded || st.LastError != nil || len(failures()) != 0 {
			t.Errorf("degraded %v by %v, told %v", st.Degraded, st.LastError, failures())
		}
	})
}

// A worker that comes into being when the pool is closed already sets no alarm for its
// lifetime, for which Close would wait.
func TestCloseDoesNotWaitForTheLifetimeOfAWorkerThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := pool.New("test", pool.Config{Size: 1, MaxLifetime: time.Hour}, pool.Factory[int]{
			New: func(context.Context) (int, error) { time.Sleep(time.Second); return 1, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = p.Acquire(background) }()
		synctest.Wait()
		begun := time.Now()
		if err := p.Close(background); err != nil || time.Since(begun) != time.Second {
			t.Errorf("closed after %v: %v", time.Since(begun), err)
		}
	})
}

// A Close at the moment of an alarm waits for what the alarm begins, whichever comes first.
func TestCloseAtTheMomentOfAnAlarmWaitsForItsWork(t *testing.T) {
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			f := s.factory()
			f.Close = func(c *conn) { time.Sleep(time.Second); s.hangUp(c) }
			p, err := pool.New("test", pool.Config{Size: 1, MaxIdleTime: time.Minute, CheckInterval: -1}, f)
			if err != nil {
				t.Fatal(err)
			}
			acquire(t, p).Release()
			time.Sleep(time.Minute)
			if err := p.Close(background); err != nil || s.live.Load() != 0 {
				t.Errorf("%d workers live: %v", s.live.Load(), err)
			}
		})
	}
}

// The least pause is a pause.
func TestABackoffOfANanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.down.Store(true)
		p := open(t, pool.Config{Size: 1, Backoff: 1, BackoffMax: 1}, s)
		_, err := p.Acquire(background)
		wantCode(t, err, fault.WorkerFailed)
		s.down.Store(false)
		later(time.Second)
		acquire(t, p).Release()
		shut(t, p)
	})
}

// That a worker was made is remembered where it ends a failure, and not otherwise.
func TestAStartIsAnEdgeWhereItEndsAFailure(t *testing.T) {
	for recovered, want := range []fault.Severity{"", fault.SeverityInfo} {
		if name, got := (pool.WorkerStarted{Pool: "test", Recovered: recovered}).Edge(); name != "test" || got != want {
			t.Errorf("after %d failures: %q of %q, want %q", recovered, got, name, want)
		}
	}
}
