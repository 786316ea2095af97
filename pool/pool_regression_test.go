package pool_test

import (
	"context"
	"errors"
	"runtime"
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

// Elsewhere a panic inside a bulkhead of one left it full for ever.
func TestPeer02_APanicLeavesNoPoolOfOneFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		for range 10 {
			func() {
				defer func() { _ = recover() }()
				_ = p.With(background, func(context.Context, *conn) error { panic("oops") })
			}()
		}
		acquire(t, p).Release()
		if st := p.Stats(); st.InUse != 0 || st.Timeouts != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Elsewhere Close left waiters hanging, and hung itself when a worker that
// TryAcquire had asked for was still being made.
func TestPeer19_CloseNeitherHangsNorLeavesWaitersHanging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.delay.Store(int64(time.Minute))
		p := open(t, pool.Config{Size: 2}, s)
		refused := make(chan error, 4)
		for i := range 4 {
			go func() {
				var err error
				if i < 2 {
					_, err = p.TryAcquire(background)
				} else {
					_, err = p.Acquire(background)
				}
				refused <- err
			}()
		}
		synctest.Wait()
		begun := time.Now()
		shut(t, p)
		for range 4 {
			if err := <-refused; !errors.Is(err, fault.Closed) && !errors.Is(err, fault.PoolFull) {
				t.Errorf("%v", err)
			}
		}
		if time.Since(begun) != 0 || s.live.Load() != 0 {
			t.Errorf("Close took %v and left %d workers", time.Since(begun), s.live.Load())
		}
	})
}

// Elsewhere one worker that failed to start took the whole pool down.
func TestPeer24_AWorkerThatCannotStartHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2}, s)
		defer shut(t, p)
		first := acquire(t, p)
		s.down.Store(true)
		for range 2 { // the first asks for a worker, the second is answered from that
			_, err := p.TryAcquire(background)
			wantCode(t, err, fault.WorkerFailed)
		}
		got := make(chan pool.Lease[*conn])
		go func() { got <- acquire(t, p) }() // waits for the worker that there is
		synctest.Wait()
		if st := p.Status(); !st.Degraded || st.Stats.Waiting != 1 || st.Stats.Attempts != 2 || p.Degraded() != nil {
			t.Errorf("%+v", st)
		}
		first.Release()
		l := <-got
		if l.Value().id != 1 {
			t.Errorf("got conn %d", l.Value().id)
		}
		s.down.Store(false)
		l.Release()
	})
}

// Elsewhere a worker that was still busy after a timeout was lent again.
func TestPeer24_ABusyWorkerIsNeverLentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		_ = p.With(ctx, func(ctx context.Context, c *conn) error {
			go func() { // goes on with the worker after the call has ended
				defer use(t, c)()
				time.Sleep(time.Minute)
			}()
			<-ctx.Done()
			return ctx.Err()
		})
		_ = p.With(background, func(_ context.Context, c *conn) error { defer use(t, c)(); return nil })
		time.Sleep(2 * time.Minute)
	})
}

// A factory may do anything.
func TestAFactoryThatPanicsOrExitsIsAFailingOne(t *testing.T) {
	for name, construct := range map[string]func(context.Context) (int, error){
		"panic":  func(context.Context) (int, error) { panic("oops") },
		"goexit": func(context.Context) (int, error) { runtime.Goexit(); return 0, nil },
	} {
		p, err := pool.New("test", pool.Config{}, pool.Factory[int]{New: construct})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Acquire(background)
		wantCode(t, err, fault.WorkerFailed)
		if !strings.Contains(err.Error(), "factory") {
			t.Errorf("%s: %v", name, err)
		}
		shut(t, p)
	}
}

func TestChecksAndResetsMayPanicOrExit(t *testing.T) {
	for _, end := range []func(){func() { panic("oops") }, runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			var bad atomic.Bool
			do := func(context.Context, int) error {
				if bad.Load() {
					end()
				}
				return nil
			}
			made := 0
			p, err := pool.New("test", pool.Config{Size: 1, CheckAfter: time.Second, CheckInterval: -1}, pool.Factory[int]{
				New: func(context.Context) (int, error) { made++; return made, nil }, Check: do, Reset: do, Close: func(int) { end() },
			})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			borrow := func() {
				wg.Go(func() {
					if l, err := p.Acquire(background); err == nil {
						time.Sleep(time.Minute)
						l.Release()
					}
				})
			}
			for _, now := range []bool{false, true, false, true} {
				bad.Store(now)
				borrow()
				time.Sleep(30 * time.Second)
				wg.Wait()
				time.Sleep(time.Minute) // the next borrower has to check
			}
			bad.Store(false)
			l, err := p.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			l.Release()
			if st := p.Stats(); st.InUse != 0 || st.Idle != 1 {
				t.Errorf("%+v", st)
			}
			shut(t, p)
		})
	}
}

// A pool whose workers all died while nobody came must heal without anybody
// waiting: with a server that is down, callers are refused and never queue.
func TestADegradedPoolRecoversWithoutCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2}, s)
		defer shut(t, p)
		acquire(t, p).Release()
		s.crash()
		time.Sleep(time.Minute) // the check in the background closes the worker
		_, err := p.Acquire(background)
		wantCode(t, err, fault.WorkerFailed)
		s.down.Store(false)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if err := p.Degraded(); err != nil {
			t.Error(err)
		}
	})
}

// A check in the background that ends its goroutine ends no upkeep: the other
// workers still reach their idle time.
func TestACheckThatExitsDoesNotEndTheUpkeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made, ended atomic.Int32
		p, err := pool.New("test", pool.Config{Size: 3, MaxIdleTime: time.Minute, CheckAfter: -1, CheckInterval: 10 * time.Second}, pool.Factory[int32]{
			New: func(context.Context) (int32, error) { return made.Add(1), nil },
			Check: func(_ context.Context, worker int32) error {
				if worker == 1 {
					runtime.Goexit()
				}
				return nil
			},
			Close: func(int32) { ended.Add(1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		var leases []pool.Lease[int32]
		for range 3 {
			l, err := p.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			leases = append(leases, l)
		}
		for _, l := range leases {
			l.Release()
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if ended.Load() != 3 {
			t.Errorf("%d of 3 workers closed: %+v", ended.Load(), p.Stats())
		}
	})
}

// Resets and checks that ignore their context are calls of the factory, which
// Close waits for no longer than create_timeout, although a borrower is inside.
func TestCloseGivesUpOnAResetOrCheckThatHangs(t *testing.T) {
	for _, inCheck := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			hang := func(context.Context, int) error { <-release; return nil }
			f := pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }}
			if inCheck {
				f.Check = hang
			} else {
				f.Reset = hang
			}
			p, err := pool.New("test", pool.Config{Size: 1, CreateTimeout: time.Second, CheckInterval: -1, CheckAfter: time.Minute}, f)
			if err != nil {
				t.Fatal(err)
			}
			l, err := p.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				l.Suspect()
				if l, err := p.Acquire(background); err == nil { // checks it first
					l.Release()
				}
			}()
			synctest.Wait()
			begun := time.Now()
			ctx, cancel := context.WithTimeout(background, time.Hour)
			defer cancel()
			err = p.Close(ctx)
			wantCode(t, err, fault.Unavailable)
			if d := time.Since(begun); d > time.Minute {
				t.Errorf("Close took %v", d)
			}
			close(release)
			shut(t, p)
		})
	}
}

// A borrower that gives up during the check of its worker says nothing about the
// other workers.
func TestABorrowerThatGivesUpDuringACheckDoubtsNoOtherWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int32
		p, err := pool.New("test", pool.Config{Size: 2, CheckInterval: -1, CheckAfter: -1}, pool.Factory[int]{
			New: func(context.Context) (int, error) { return 1, nil },
			Check: func(ctx context.Context, _ int) error {
				checks.Add(1)
				<-ctx.Done()
				return ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		a, errA := p.Acquire(background)
		b, errB := p.Acquire(background)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		b.Release()
		a.Suspect() // the next one to be lent, after a check
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		defer cancel()
		_, err = p.Acquire(ctx)
		wantCode(t, err, fault.PoolTimeout)
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		if checks.Load() != 1 {
			t.Errorf("%d checks, want that of the suspect alone", checks.Load())
		}
	})
}

// While no worker can be made, an old one is better than none.
func TestWhileNoneCanBeMadeAWorkerIsLentPastItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, MaxLifetime: time.Minute, LifetimeJitter: -1, CheckInterval: -1, CheckAfter: -1}, s)
		defer shut(t, p)
		old := acquire(t, p)
		s.down.Store(true)
		_, err := p.TryAcquire(background)
		wantCode(t, err, fault.WorkerFailed)
		time.Sleep(2 * time.Minute)
		old.Release()
		l := acquire(t, p)
		if l.Value() != old.Value() {
			t.Errorf("lent conn %d", l.Value().id)
		}
		s.down.Store(false)
		l.Release()
	})
}

// Whoever comes back from a failed check has waited already, and is served before
// those that came later.
func TestWhoComesBackFromAFailedCheckIsServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		hold := make(chan struct{})
		p, err := pool.New("test", pool.Config{Size: 1, CheckInterval: -1, CheckTimeout: time.Hour, CheckoutTimeout: time.Minute}, pool.Factory[*conn]{
			New: s.dial,
			Check: func(_ context.Context, c *conn) error {
				if c.id == 1 {
					<-hold
					return errDown
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		acquire(t, p).Suspect()
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				l := acquire(t, p)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				l.Release()
			})
			synctest.Wait() // the first is checking, the others queue
		}
		close(hold)
		wg.Wait()
		if order[0] != 0 || order[1] != 1 || order[2] != 2 {
			t.Errorf("served in the order %v", order)
		}
	})
}

// Attempts that were begun side by side and fail one after the other are one
// failed round: the pause does not double for each.
func TestAttemptsSideBySideAreOneFailedRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		p, err := pool.New("test", pool.Config{Size: 5}, pool.Factory[int]{
			New: func(context.Context) (int, error) {
				time.Sleep(time.Duration(n.Add(1)) * time.Millisecond)
				return 0, errDown
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				_, err := p.Acquire(background)
				wantCode(t, err, fault.WorkerFailed)
			})
		}
		wg.Wait()
		if st := p.Status(); st.Failures != 1 || st.Stats.Failures != 5 {
			t.Errorf("%d failed rounds of %d attempts", st.Failures, st.Stats.Failures)
		}
		shut(t, p)
	})
}

// A handler that ends the borrower's goroutine while it is told of the checkout
// leaves nobody who could return the worker.
func TestAHandlerThatExitsAtCheckoutKeepsNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		p := open(t, pool.Config{Size: 1}, &server{}, pool.WithBus(bus))
		defer shut(t, p)
		exits := func(lent func()) {
			t.Helper()
			s, err := telemetry.Subscribe(bus, "exits", func(context.Context, pool.CheckedOut) { runtime.Goexit() })
			if err != nil {
				t.Fatal(err)
			}
			defer s.Cancel()
			var wg sync.WaitGroup
			wg.Go(lent)
			wg.Wait()
			if st := p.Stats(); st.InUse != 0 {
				t.Errorf("the worker is still lent: %+v", st)
			}
		}
		exits(func() { _, _ = p.Acquire(background) }) // the worker is made first
		exits(func() { _, _ = p.Acquire(background) }) // it is idle
		exits(func() { _ = p.With(background, func(context.Context, *conn) error { return nil }) })
		acquire(t, p).Release()
	})
}
