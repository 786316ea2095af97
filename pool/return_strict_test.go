package pool_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// cleaning is a factory of s whose workers are reset on return, which takes a while.
func cleaning(s *server, takes time.Duration) (f pool.Factory[*conn], resets *int) {
	resets, f = new(int), s.factory()
	f.Reset = func(context.Context, *conn) error {
		*resets++
		time.Sleep(takes)
		return nil
	}
	return f, resets
}

// A worker is reset when it comes back to be lent again, and in no other case.
func TestAWorkerIsResetOnlyWhereItIsLentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		f, resets := cleaning(&server{}, 0)
		p, err := pool.New("test", pool.Config{Size: 1}, f, pool.WithBus(bus))
		if err != nil {
			t.Fatal(err)
		}
		acquire(t, p).Release()
		if *resets != 1 {
			t.Errorf("%d resets of a worker that is fit", *resets)
		}
		acquire(t, p).Destroy()
		if *resets != 1 {
			t.Error("a worker was reset to be closed")
		}
		exits, err := telemetry.Subscribe(bus, "exits", func(context.Context, pool.CheckedOut) { runtime.Goexit() })
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = p.Acquire(background) })
		wg.Wait()
		exits.Cancel()
		if *resets != 1 {
			t.Error("a worker that nobody had was reset")
		}
		l := acquire(t, p)
		time.AfterFunc(time.Second, func() { l.Release() })
		shut(t, p)
		if *resets != 1 {
			t.Error("a worker of a closed pool was reset")
		}
	})
}

// The idle time of a worker begins when it has come back, and been reset.
func TestTheIdleTimeBeginsWithTheReturn(t *testing.T) {
	for about, reset := range map[string]time.Duration{"no reset": 0, "a long reset": 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			f, _ := cleaning(s, reset)
			if reset == 0 {
				f.Reset = nil
			}
			p, err := pool.New("test", pool.Config{Size: 1, MaxIdleTime: time.Minute, CheckInterval: -1, CheckTimeout: time.Hour}, f)
			if err != nil {
				t.Fatal(err)
			}
			defer shut(t, p)
			l := acquire(t, p)
			time.Sleep(30 * time.Second)
			l.Release()
			later(time.Minute - 1)
			if s.closed.Load() != 0 {
				t.Errorf("%s: ended early", about)
			}
			later(1)
			if s.closed.Load() != 1 {
				t.Errorf("%s: not ended in time", about)
			}
		})
	}
}

// A worker that came back is no loan, however long it lies idle.
func TestAnIdleWorkerIsNoLeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1, LeakAfter: 10 * time.Second, CheckoutTimeout: time.Second}, &server{})
		defer shut(t, p)
		acquire(t, p).Release()
		later(time.Minute)
		if st := p.Stats(); st.Leaked != 0 || st.OldestLoan != 0 {
			t.Errorf("%d leaked, the oldest loan is %v old", st.Leaked, st.OldestLoan)
		}
	})
}

// The report of a leak names the borrower of now, also of a worker that was idle.
func TestALeakNamesTheLastBorrower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		leaks := heard[pool.WorkerLeaked](t, bus)
		p := open(t, pool.Config{Size: 1, LeakAfter: 10 * time.Second, CheckoutTimeout: time.Second}, &server{}, pool.WithBus(bus))
		defer shut(t, p)
		acquire(t, p).Release()
		l := borrowForLong(t, p)
		later(time.Minute)
		if got := leaks(); len(got) != 1 || !strings.Contains(got[0].Stack, "borrowForLong") {
			t.Errorf("%+v", got)
		}
		l.Release()
	})
}

//go:noinline
func borrowForLong(t *testing.T, p *pool.Pool[*conn]) pool.Lease[*conn] { return acquire(t, p) }

// A loan from a lane is told as any other, and its end is what the borrower says.
func TestLoansFromLanesEndAsTheirBorrowersSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := &server{}, telemetry.NewBus()
		p := open(t, pool.Config{Size: 1, CheckInterval: -1}, s, pool.WithBus(bus))
		defer shut(t, p)
		p.Crowd()
		acquire(t, p).Release()
		acquire(t, p).Release()
		lent := heard[pool.CheckedOut](t, bus)
		lends := p.LaneLends()
		l := acquire(t, p)
		if len(lent()) != 1 || p.LaneLends() != lends+1 {
			t.Errorf("told of %d loans, %d from a lane", len(lent()), p.LaneLends()-lends)
		}
		l.Suspect()
		l = acquire(t, p)
		if s.checks.Load() != 1 {
			t.Errorf("%d checks of a suspect", s.checks.Load())
		}
		l.Destroy()
		synctest.Wait()
		if s.closed.Load() != 1 {
			t.Error("a worker that was to be closed was not")
		}
	})
}

// Where nothing can be checked a suspect is lent as it is.
func TestASuspectThatCannotBeCheckedIsLent(t *testing.T) {
	s := &server{}
	p, err := pool.New("test", pool.Config{Size: 1}, pool.Factory[*conn]{New: s.dial, Close: s.hangUp})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, p)
	acquire(t, p).Suspect()
	acquire(t, p).Release()
	if st := p.Stats(); st.BadChecks != 0 || st.Created != 1 {
		t.Errorf("%+v", st)
	}
}

// A worker that was taken away while its borrower checked it is not closed twice.
func TestAWorkerReclaimedDuringItsCheckIsClosedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f := s.factory()
		f.Check = func(context.Context, *conn) error { time.Sleep(20 * time.Second); return errDown }
		cfg := pool.Config{Size: 1, LeakAfter: 10 * time.Second, ReclaimLeaked: true, CheckTimeout: time.Minute, CheckoutTimeout: time.Minute, CheckInterval: -1}
		p, err := pool.New("test", cfg, f)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		acquire(t, p).Suspect()
		l := acquire(t, p)
		if st := p.Stats(); st.InUse != 1 || st.Leaked != 1 || st.Created != 2 || s.badlyClosed() != 1 { // the one that is lent
			t.Errorf("%+v", st)
		}
		l.Release()
	})
}

// A borrower whose worker was no good has waited for as long as it did, not twice.
func TestTheTimeOfTwoWaitsIsCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, CheckoutTimeout: time.Minute}, s)
		defer shut(t, p)
		l := acquire(t, p)
		done := make(chan struct{})
		go func() {
			defer close(done)
			loan, err := p.Checkout(background, pool.CheckoutOptions{At: clock.Now().Add(-time.Second)}) // it has done other things since
			if err != nil || loan.Waited != 6*time.Second {
				t.Errorf("waited for %v, %v", loan.Waited, err)
				return
			}
			p.Return(loan, pool.Reuse)
		}()
		synctest.Wait()
		s.delay.Store(int64(3 * time.Second))
		l.Value().dead.Store(true)
		time.Sleep(2 * time.Second)
		l.Suspect()
		<-done
		if got := p.Stats().WaitTime; got != 6*time.Second {
			t.Errorf("%v of waiting", got)
		}
	})
}

// A worker is proven when its reset has ended, however long that took.
func TestAResetThatLastsLeavesNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f, resets := cleaning(s, 20*time.Second)
		p, err := pool.New("test", pool.Config{Size: 1, CheckAfter: 10 * time.Second, CheckInterval: -1, CheckTimeout: time.Minute}, f)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		acquire(t, p).Release()
		acquire(t, p).Release()
		if *resets != 2 || s.checks.Load() != 0 {
			t.Errorf("%d checks after %d resets", s.checks.Load(), *resets)
		}
	})
}

// A reset that ends the goroutine of the borrower is a check that failed.
func TestAResetThatExitsClosesItsWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f := s.factory()
		f.Reset = func(context.Context, *conn) error { runtime.Goexit(); return nil }
		p, err := pool.New("test", pool.Config{Size: 1}, f)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		var wg sync.WaitGroup
		wg.Go(func() { acquire(t, p).Release() })
		wg.Wait()
		synctest.Wait()
		if st := p.Stats(); st.BadChecks != 1 || st.InUse != 0 || st.Destroyed != 1 {
			t.Errorf("%+v", st)
		}
		acquire(t, p).Destroy()
	})
}

// A check leaves nothing behind, however many there are.
func TestChecksLeaveNothingBehind(t *testing.T) {
	p := open(t, pool.Config{Size: 1, CheckInterval: -1}, &server{})
	kept := func() uint64 {
		for range 2_000 {
			acquire(t, p).Suspect()
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapObjects
	}
	before := kept()
	if after := kept(); after > before+1_000 {
		t.Errorf("%d objects are left of 2000 checks", after-before)
	}
}
