package pool_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// Every borrower is refused at its own time, in whatever order they came.
func TestEveryWaiterIsRefusedAtItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1, MaxWaiters: 10}, &server{})
		defer shut(t, p)
		l, start, done := acquire(t, p), time.Now(), make(chan struct{})
		timeouts := []time.Duration{5, 1, 3, 2, 4, 2}
		for _, timeout := range timeouts {
			go func() {
				defer func() { done <- struct{}{} }()
				_, err := p.Checkout(context.Background(), pool.CheckoutOptions{Timeout: timeout * time.Second, At: clock.Now()})
				if got := time.Since(start); !errors.Is(err, fault.PoolTimeout) || got != timeout*time.Second {
					t.Errorf("refused after %v instead of %d s: %v", got, timeout, err)
				}
			}()
			synctest.Wait()
		}
		for range timeouts {
			<-done
		}
		l.Release()
	})
}

// A borrower that gets a worker which is no good waits on before all others, and
// whoever comes then waits behind it.
func TestAWaiterThatGotABadWorkerIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, CheckoutTimeout: time.Minute}, s)
		defer shut(t, p)
		l := acquire(t, p)
		order := make(chan string, 3)
		borrow := func(name string) {
			go func() {
				l, err := p.Acquire(t.Context())
				if err != nil {
					t.Error(name, err)
					order <- ""
					return
				}
				order <- name
				time.Sleep(time.Second)
				l.Release()
			}()
			synctest.Wait()
		}
		borrow("first")
		s.delay.Store(int64(time.Second))
		l.Value().dead.Store(true)
		l.Suspect() // it is checked before it is lent again, and fails
		synctest.Wait()
		borrow("second")
		borrow("third")
		for _, want := range []string{"first", "second", "third"} {
			if got := <-order; got != want {
				t.Errorf("%q was served, want %q", got, want)
			}
		}
		if s.live.Load() != 1 {
			t.Errorf("%d workers", s.live.Load())
		}
		time.Sleep(time.Minute)
	})
}

func TestALeaseEndsOnce(t *testing.T) {
	p := open(t, pool.Config{Size: 1}, &server{})
	for name, end := range map[string]func(pool.Lease[*conn]) bool{
		"release": pool.Lease[*conn].Release, "suspect": pool.Lease[*conn].Suspect, "destroy": pool.Lease[*conn].Destroy,
	} {
		l := acquire(t, p)
		if !end(l) || end(l) || end(pool.Lease[*conn]{}) {
			t.Errorf("%s does not tell whether it ended the lease", name)
		}
	}
}

// New times for idle workers hold for those that are idle already.
func TestReconfigureGivesIdleWorkersTheirNewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		cfg := pool.Config{Size: 2, CheckAfter: time.Hour, MaxIdleTime: 10 * time.Hour}
		p := open(t, cfg, s)
		defer shut(t, p)
		change := func() {
			t.Helper()
			if err := p.Reconfigure(cfg); err != nil {
				t.Fatal(err)
			}
		}
		acquire(t, p).Release()
		cfg.CheckAfter = time.Second
		change()
		time.Sleep(2 * time.Second)
		acquire(t, p).Release()
		if s.checks.Load() != 1 {
			t.Errorf("%d checks", s.checks.Load())
		}
		cfg.MaxIdleTime = time.Minute
		change()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s.closed.Load() != 1 {
			t.Errorf("%d of 1 idle worker is closed", s.closed.Load())
		}
	})
}

// New times set an alarm by themselves where there was none.
func TestNewTimesAreWaitedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cfg := &server{}, pool.Config{Size: 1, CheckInterval: -1}
		p := open(t, cfg, s)
		defer shut(t, p)
		acquire(t, p).Release()
		time.Sleep(time.Hour)
		cfg.MaxIdleTime = 2 * time.Hour
		if err := p.Reconfigure(cfg); err != nil {
			t.Fatal(err)
		}
		later(time.Hour - 1)
		if s.closed.Load() != 0 {
			t.Error("ended early")
		}
		later(1)
		if s.closed.Load() != 1 {
			t.Error("not ended in time")
		}
	})
}

// Closed is the answer of a pool that was closed, also if it had failed before.
func TestAFailingPoolThatIsClosedSaysClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.down.Store(true)
		p := open(t, pool.Config{Size: 1}, s)
		degraded := func() (value float64) {
			p.Collect(func(s telemetry.Sample) {
				if s.Desc.Name == "foundation_pool_degraded" {
					value = s.Value
				}
			})
			return value
		}
		if degraded() != 0 {
			t.Error("a pool that has made nothing yet is degraded")
		}
		_, err := p.Acquire(t.Context())
		wantCode(t, err, fault.WorkerFailed)
		if degraded() != 1 {
			t.Error("a pool that makes nothing is not degraded")
		}
		shut(t, p)
		_, err = p.Acquire(t.Context())
		wantCode(t, err, fault.Closed)
	})
}

// A factory need not close anything.
func TestAFactoryWithoutCloseEndsItsWorkersWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, stopped := telemetry.NewBus(), 0
		if _, err := telemetry.Subscribe(bus, "stopped", func(_ context.Context, e pool.WorkerStopped) {
			if stopped++; e.Err != nil {
				t.Error(e.Err)
			}
		}); err != nil {
			t.Fatal(err)
		}
		p, err := pool.New("test", pool.Config{Size: 1}, pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }}, pool.WithBus(bus))
		if err != nil {
			t.Fatal(err)
		}
		l, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.Destroy()
		shut(t, p)
		synctest.Wait()
		if stopped != 1 {
			t.Errorf("told of %d ends", stopped)
		}
	})
}

// Those that waited for no time are counted in the distribution of waits, in its first
// bucket, whether others waited or not.
func TestTheDistributionOfWaitsHoldsEveryBorrower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1, MinIdle: 1}, &server{})
		defer shut(t, p)
		synctest.Wait()
		check := func(noTime, waited uint64) {
			t.Helper()
			var d telemetry.Distribution
			p.Collect(func(s telemetry.Sample) {
				if s.Desc.Name == "foundation_pool_wait_seconds" {
					d = s.Distribution
				}
			})
			var total, first uint64
			last, buckets := -1.0, 0
			d.Each(func(lower, upper float64, count uint64) bool {
				if lower <= last || upper <= lower {
					t.Errorf("a bucket from %v to %v after one from %v", lower, upper, last)
				}
				if lower == 0 {
					first = count
				}
				last, total, buckets = lower, total+count, buckets+1
				return true
			})
			if total != noTime+waited || first != noTime || d.Count() != total {
				t.Errorf("%d in the first bucket, %d in all of %d, want %d and %d", first, total, d.Count(), noTime, noTime+waited)
			}
			calls := 0
			d.Each(func(float64, float64, uint64) bool { calls++; return false })
			if calls != min(buckets, 1) {
				t.Errorf("of %d buckets %d were shown to who wanted one", buckets, calls)
			}
		}
		waitFor := func(d time.Duration) {
			l, done := acquire(t, p), make(chan struct{})
			go func() {
				defer close(done)
				acquire(t, p).Release()
			}()
			synctest.Wait()
			time.Sleep(d)
			l.Release()
			<-done
		}
		check(0, 0)
		acquire(t, p).Release()
		check(1, 0)
		waitFor(time.Second)
		check(2, 1)
		waitFor(0)
		check(4, 1)
		if st := p.Status(); st.Create.Count != 1 || st.Wait.Count != 5 {
			t.Errorf("%+v", st)
		}
	})
}
