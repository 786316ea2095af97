package pool_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

var background = context.Background()

func TestScenario55_DefaultsAreFiveNoneAndLifo(t *testing.T) {
	p := open(t, pool.Config{}, &server{})
	st := p.Status()
	if st.Name != "test" || st.State != "ready" || st.Available != 5 || st.Config.MaxOverflow != 0 || st.Config.Strategy != pool.LIFO {
		t.Errorf("status %+v", st)
	}
	if st.Worker != "*pool_test.conn" || p.WorkerType() != reflect.TypeFor[*conn]() {
		t.Errorf("worker type %q", st.Worker)
	}
	none := open(t, pool.Config{Size: -1, MaxOverflow: -1}, &server{})
	if st := none.Status(); st.State != "full" || st.Stats.Size != 0 || st.Stats.MaxOverflow != 0 {
		t.Errorf("a pool of nothing: %+v", st)
	}
}

func TestScenario56_EveryFaultOfAConfigIsNamedAndNothingStays(t *testing.T) {
	before := runtime.NumGoroutine()
	_, err := pool.New("Bad\tName", pool.Config{
		Size: -2, MaxOverflow: -3, Strategy: 7, Start: 9, CheckoutTimeout: -1, MaxWaiters: -1, MinIdle: -1, LifetimeJitter: 1.5,
		ReclaimLeaked: true, Backoff: time.Minute, BackoffMax: time.Second,
	}, pool.Factory[*conn]{})
	wantCode(t, err, fault.InvalidConfig)
	f, _ := errors.AsType[*fault.Error](err)
	var fields []string
	for _, p := range f.Problems() {
		fields = append(fields, p.Field)
	}
	want := []string{"name", "worker", "size", "max_overflow", "max_waiters", "min_idle", "strategy", "start", "lifetime_jitter", "reclaim_leaked", "checkout_timeout", "backoff_max"}
	if !slices.Equal(fields, want) {
		t.Errorf("problems with %v, want %v", fields, want)
	}
	if _, err := pool.New("test", pool.Config{}, pool.Factory[int]{}); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("a factory that makes nothing: %v", err)
	}
	for field, cfg := range map[string]pool.Config{
		"min_idle":     {Size: 2, MinIdle: 3},
		"max_overflow": {Size: pool.MaxWorkers, MaxOverflow: 1},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if after := runtime.NumGoroutine(); after != before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
}

func TestScenario57_CloseWakesWaitersAndStopsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1}, s)
		l := acquire(t, p)
		refused := make(chan error, 3)
		for range 3 {
			go func() { _, err := p.Acquire(background); refused <- err }()
		}
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(background) }()
		for range 3 {
			wantCode(t, <-refused, fault.Closed)
		}
		_, err := p.Acquire(background)
		wantCode(t, err, fault.Closed)
		wantCode(t, p.Reconfigure(pool.Config{}), fault.Closed)
		synctest.Wait()
		select {
		case err := <-closed:
			t.Fatalf("Close returned %v while a worker is borrowed", err)
		default:
		}
		l.Release()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		shut(t, p) // a second time
		if !p.Status().Closed || s.live.Load() != 0 || s.badlyClosed() != 0 {
			t.Errorf("%d workers left, %d badly closed", s.live.Load(), s.badlyClosed())
		}
	})
}

func TestScenario57_CloseGivesUpWithItsContextAndSaysWhatIsLeft(t *testing.T) {
	s := &server{}
	p := open(t, pool.Config{}, s)
	l := acquire(t, p)
	ctx, cancel := context.WithCancel(background)
	cancel()
	err := p.Close(ctx)
	wantCode(t, err, fault.Unavailable)
	if !strings.Contains(err.Error(), "in_use 1") {
		t.Errorf("%v", err)
	}
	l.Release()
	shut(t, p)
}

func TestScenario58_WithLendsALiveWorker(t *testing.T) {
	p := open(t, pool.Config{}, &server{})
	err := p.With(background, func(_ context.Context, c *conn) error {
		defer use(t, c)()
		if st := p.Status(); st.CheckedOut != 1 || st.Stats.OldestLoan < 0 {
			t.Errorf("%+v", st)
		}
		return nil
	})
	if st := p.Status(); err != nil || st.CheckedOut != 0 || st.Stats.Checkouts != 1 {
		t.Errorf("%v, %+v", err, st)
	}
	if err := p.With(background, nil); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("nil function: %v", err)
	}
}

func TestScenario59_EveryWayOutRestoresTheSlot(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		fn      func(context.Context, *conn) error
		destroy bool
	}{
		"error":  {func(context.Context, *conn) error { return broken }, false},
		"panic":  {func(context.Context, *conn) error { panic("oops") }, true},
		"goexit": {func(context.Context, *conn) error { runtime.Goexit(); return nil }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &server{}
				p := open(t, pool.Config{Size: 1}, s)
				defer shut(t, p)
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { _ = recover() }()
					if err := p.With(background, tc.fn); !errors.Is(err, broken) {
						t.Errorf("got %v", err)
					}
				}()
				<-done
				synctest.Wait()
				if got := s.closed.Load() == 1; got != tc.destroy {
					t.Errorf("worker closed: %v, want %v", got, tc.destroy)
				}
				checks := s.checks.Load()
				acquire(t, p).Release()
				if !tc.destroy && s.checks.Load() != checks+1 {
					t.Error("the worker of a failed call was lent again unchecked")
				}
			})
		})
	}
}

func TestScenario60_AWorkerIsReplacedWhenItsCallOutlivedItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1}, s)
		defer shut(t, p)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		err := p.With(ctx, func(ctx context.Context, _ *conn) error { <-ctx.Done(); return ctx.Err() })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if l := acquire(t, p); l.Value().id != 2 {
			t.Error("the worker of a timed-out call came back")
		} else {
			l.Release()
		}
	})
}

func TestScenario61_TheFourthBorrowerOfThreeTimesOutOrIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 2, MaxOverflow: 1, CheckoutTimeout: 3 * time.Second}, &server{})
		defer shut(t, p)
		var leases []pool.Lease[*conn]
		for range 3 {
			leases = append(leases, acquire(t, p))
		}
		begun := time.Now()
		_, err := p.TryAcquire(background)
		wantCode(t, err, fault.PoolFull)
		if time.Since(begun) != 0 {
			t.Error("TryAcquire waited")
		}
		_, err = p.Acquire(background)
		wantCode(t, err, fault.PoolTimeout)
		if d := time.Since(begun); d != 3*time.Second {
			t.Errorf("timed out after %v", d)
		}
		_, err = p.Checkout(background, pool.CheckoutOptions{Timeout: time.Second})
		wantCode(t, err, fault.PoolTimeout)
		if d := time.Since(begun); d != 4*time.Second {
			t.Errorf("timed out after %v", d-3*time.Second)
		}
		ctx, cancel := context.WithTimeout(background, 500*time.Millisecond)
		defer cancel()
		_, err = p.Acquire(ctx)
		wantCode(t, err, fault.PoolTimeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the caller's deadline is not in %v", err)
		}
		for _, l := range leases {
			l.Release()
		}
		if st := p.Stats(); st.Timeouts != 3 || st.Full != 1 || st.InUse != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestScenario62_TenTasksOnEightWorkersTakeTwoRounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 5, MaxOverflow: 3}, s)
		defer shut(t, p)
		begun := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := p.With(background, func(_ context.Context, c *conn) error {
					defer use(t, c)()
					time.Sleep(50 * time.Millisecond)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if d := time.Since(begun); d != 100*time.Millisecond || s.peak.Load() != 8 {
			t.Errorf("took %v with %d workers", d, s.peak.Load())
		}
	})
}

func TestScenario64_StatesAndCountsAreThoseOfPoolboy(t *testing.T) {
	type row struct {
		state                           string
		available, overflow, checkedOut int
	}
	const ready, overflow, full = "ready", "overflow", "full"
	for _, tc := range []struct {
		size, overflow int
		rows           []row
	}{
		{2, -1, []row{{ready, 2, 0, 0}, {ready, 1, 0, 1}, {full, 0, 0, 2}}},
		{1, 1, []row{{ready, 1, 0, 0}, {overflow, 0, 0, 1}, {full, 0, 1, 2}}},
		{-1, 2, []row{{overflow, 0, 0, 0}, {overflow, 0, 1, 1}, {full, 0, 2, 2}}},
		{-1, -1, []row{{full, 0, 0, 0}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := open(t, pool.Config{Size: tc.size, MaxOverflow: tc.overflow}, &server{})
			defer shut(t, p)
			check := func(want row) {
				t.Helper()
				synctest.Wait()
				st := p.Status()
				if got := (row{st.State, st.Available, st.Overflow, st.CheckedOut}); got != want {
					t.Errorf("(%d,%d): got %v, want %v", tc.size, tc.overflow, got, want)
				}
			}
			var leases []pool.Lease[*conn]
			for i, want := range tc.rows {
				if i > 0 {
					leases = append(leases, acquire(t, p))
				}
				check(want)
			}
			for i, l := range leases {
				l.Release()
				check(tc.rows[len(leases)-1-i])
			}
		})
	}
}

func TestScenario65_OverflowWorkersEndWhenTheyComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 10, MaxOverflow: 5}, s)
		defer shut(t, p)
		var leases []pool.Lease[*conn]
		for range 12 {
			leases = append(leases, acquire(t, p))
		}
		for _, l := range leases {
			l.Release()
		}
		synctest.Wait()
		if st := p.Status(); st.Stats.Idle != 10 || st.Overflow != 0 || s.closed.Load() != 2 {
			t.Errorf("%+v, %d closed", st, s.closed.Load())
		}
	})
}

func TestScenario66_LifoLendsTheLastAndFifoTheOldest(t *testing.T) {
	for strategy, want := range map[pool.Strategy][]int{pool.LIFO: {3, 2, 1}, pool.FIFO: {1, 2, 3}} {
		p := open(t, pool.Config{Size: 3, Strategy: strategy}, &server{})
		leases := []pool.Lease[*conn]{acquire(t, p), acquire(t, p), acquire(t, p)}
		for _, l := range leases {
			l.Release()
		}
		for _, id := range want {
			l := acquire(t, p)
			t.Cleanup(func() { l.Release() })
			if got := l.Value().id; got != id {
				t.Errorf("%v: got %d, want %d", strategy, got, id)
			}
		}
	}
}

func TestScenario67_DeadWorkersAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, Start: pool.Warm, CheckInterval: 10 * time.Second}, s)
		defer shut(t, p)
		synctest.Wait()
		s.conns[0].dead.Store(true)
		time.Sleep(11 * time.Second) // past the next check in the background
		synctest.Wait()
		if st := p.Stats(); st.Idle != 2 || st.BadChecks != 1 || s.attempt.Load() != 3 {
			t.Errorf("idle death: %+v", st)
		}
		a, b := acquire(t, p), acquire(t, p)
		got := make(chan int, 1)
		go func() {
			l := acquire(t, p)
			got <- l.Value().id
			l.Release()
		}()
		synctest.Wait()
		a.Destroy()
		if id := <-got; id != 4 {
			t.Errorf("the waiter got conn %d, want a fresh one", id)
		}
		b.Release()
	})
}

func TestScenario68_ALostWorkerIsReportedWithItsStackAndReclaimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var reports []pool.WorkerLeaked
		sub, err := telemetry.Subscribe(bus, "leaks", func(_ context.Context, e pool.WorkerLeaked) { reports = append(reports, e) })
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Cancel()
		p := open(t, pool.Config{Size: 1, LeakAfter: 10 * time.Second, ReclaimLeaked: true, CheckoutTimeout: time.Minute}, &server{}, pool.WithBus(bus))
		defer shut(t, p)
		var lost pool.Lease[*conn]
		go func() { lost = acquire(t, p) }() // and ends without returning it
		synctest.Wait()
		l := acquire(t, p) // waits until it is taken away from the other one
		synctest.Wait()
		if len(reports) != 1 || !reports[0].Reclaimed || !strings.Contains(reports[0].Stack, "TestScenario68") {
			t.Errorf("reports %+v", reports)
		}
		if lost.Release() {
			t.Error("a reclaimed lease could still be released")
		}
		if st := p.Stats(); st.Leaked != 1 || st.StaleEnds != 1 || st.InUse != 1 {
			t.Errorf("%+v", st)
		}
		l.Release()
	})
}

func TestScenario71_APanicReturnsTheWorkerExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		func() {
			defer func() {
				if recover() != "oops" {
					t.Error("the panic did not reach the caller")
				}
			}()
			_ = p.With(background, func(context.Context, *conn) error { panic("oops") })
		}()
		synctest.Wait()
		if st := p.Stats(); st.InUse != 0 || st.StaleEnds != 0 || st.Destroyed != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestScenario72_ABrokenPoolHarmsNoOther(t *testing.T) {
	down, up := &server{}, &server{}
	down.down.Store(true)
	a, b := open(t, pool.Config{}, down), open(t, pool.Config{}, up)
	_, err := a.Acquire(background)
	wantCode(t, err, fault.WorkerFailed)
	acquire(t, b).Release()
}

func TestScenario74_EventsComeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var mu sync.Mutex
		var names []string
		sub, err := bus.SubscribePrefix(telemetry.Prefix+"connection_pool.", "all", func(_ context.Context, e telemetry.Event) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, strings.TrimPrefix(e.EventName(), telemetry.Prefix+"connection_pool."))
			switch e := e.(type) {
			case pool.CheckedOut:
				if e.Wait != time.Second {
					t.Errorf("waited %v", e.Wait)
				}
			case pool.TransactionExecuted:
				if e.Duration != 2*time.Second || e.Err != nil || e.Panicked {
					t.Errorf("%+v", e)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		defer sub.Cancel()
		s := &server{}
		s.delay.Store(int64(time.Second))
		p := open(t, pool.Config{Size: 1}, s, pool.WithBus(bus))
		if err := p.With(background, func(context.Context, *conn) error { time.Sleep(2 * time.Second); return nil }); err != nil {
			t.Error(err)
		}
		shut(t, p)
		want := []string{"worker_started", "checkout", "checkin", "transaction_executed", "worker_stopped"}
		if slices.Sort(names[:2]); !slices.Equal(names, []string{"checkout", "worker_started", "checkin", "transaction_executed", "worker_stopped"}) {
			t.Errorf("got %v, want %v", names, want)
		}
	})
}

func TestScenario74a_AFailingFactoryIsAskedRarelyAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.down.Store(true)
		p := open(t, pool.Config{Size: 10}, s)
		defer shut(t, p)
		end := time.Now().Add(time.Minute)
		calls := 0
		for time.Now().Before(end) {
			begun := time.Now()
			_, err := p.Acquire(background)
			wantCode(t, err, fault.WorkerFailed)
			if !errors.Is(err, errDown) {
				t.Fatalf("the cause is not in %v", err)
			}
			if time.Since(begun) != 0 {
				t.Fatal("a caller waited for a failing factory")
			}
			calls++
			time.Sleep(10 * time.Millisecond)
		}
		// 100 ms doubling to 10 s, cut by a half at most: 7 steps up and a tenth of a minute each after.
		if n := s.attempt.Load(); n < 8 || n > 21 {
			t.Errorf("%d attempts in a minute with %d calls", n, calls)
		}
		st := p.Status()
		if !st.Degraded || !errors.Is(st.LastError, errDown) || st.RetryAt.Before(time.Now()) || !errors.Is(p.Degraded(), fault.WorkerFailed) {
			t.Errorf("%+v", st)
		}
		s.down.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if p.Status().Degraded || p.Degraded() != nil {
			t.Error("it did not recover by itself")
		}
		acquire(t, p).Release()
	})
}

func TestScenario74b_CloseDuringAConstructReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.delay.Store(int64(time.Hour))
		p := open(t, pool.Config{Start: pool.Warm}, s)
		go func() { _, _ = p.Acquire(background) }()
		synctest.Wait()
		begun := time.Now()
		shut(t, p)
		if time.Since(begun) != 0 || s.live.Load() != 0 {
			t.Errorf("took %v, %d left", time.Since(begun), s.live.Load())
		}
	})
}

func TestScenario74b_CloseGivesUpOnAFactoryThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		p, err := pool.New("test", pool.Config{CreateTimeout: time.Second}, pool.Factory[int]{
			New:   func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil },
			Close: func(int) { closed.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = p.Acquire(background) }()
		synctest.Wait()
		begun := time.Now()
		wantCode(t, p.Close(background), fault.Unavailable)
		if d := time.Since(begun); d != time.Second {
			t.Errorf("took %v", d)
		}
		time.Sleep(time.Hour)
		shut(t, p)
		if closed.Load() != 1 {
			t.Error("the late worker was not closed")
		}
	})
}

func TestScenario74c_ShrinkingUnderLoadFailsNoCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 20}, s)
		defer shut(t, p)
		var wg sync.WaitGroup
		for range 40 {
			wg.Go(func() {
				for range 50 {
					err := p.With(background, func(_ context.Context, c *conn) error {
						defer use(t, c)()
						time.Sleep(10 * time.Millisecond)
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		if s.live.Load() != 20 {
			t.Errorf("%d workers before", s.live.Load())
		}
		if err := p.Reconfigure(pool.Config{Size: 5}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Millisecond)
		if s.live.Load() != 5 {
			t.Errorf("%d workers after everybody came back once", s.live.Load())
		}
		if err := p.Reconfigure(pool.Config{Size: -1}); err != nil { // and to nothing and back
			t.Fatal(err)
		}
		time.Sleep(11 * time.Millisecond)
		if err := p.Reconfigure(pool.Config{Size: 8}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if st := p.Stats(); st.Idle != 8 || s.live.Load() != 8 {
			t.Errorf("%+v", st)
		}
	})
}
