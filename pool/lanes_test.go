package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/pool"
)

// crowded is a pool whose lanes are open, with one worker that may lie in one.
func crowded(t *testing.T, cfg pool.Config, s *server) *pool.Pool[*conn] {
	t.Helper()
	p := open(t, cfg, s)
	p.Crowd()
	for range 2 { // the first return opens the lanes, the second puts the worker into one
		acquire(t, p).Release()
	}
	return p
}

func TestLanesAreSweptForWhoeverLooks(t *testing.T) {
	p := crowded(t, pool.Config{Size: 2}, &server{})
	acquire(t, p).Release()
	if p.LaneLends() == 0 {
		t.Error("nothing was lent from a lane")
	}
	if st := p.Status(); st.CheckedOut != 0 || st.Stats.Idle != 1 || st.Stats.Checkouts != 3 || st.Stats.OldestLoan != 0 {
		t.Errorf("%+v", st)
	}
	l := acquire(t, p)
	st := p.Status()
	if st.CheckedOut != 1 || st.Stats.Idle != 0 || st.Wait.Count != st.Stats.Checkouts {
		t.Errorf("%+v", st)
	}
	if !l.Release() || l.Release() {
		t.Error("a lease from a lane did not end exactly once")
	}
	shut(t, p)
}

func TestAWorkerInALaneIsCheckedAndRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := crowded(t, pool.Config{Size: 2, CheckAfter: time.Second, CheckInterval: 10 * time.Second, MaxIdleTime: time.Minute}, s)
		defer shut(t, p)
		time.Sleep(2 * time.Second)
		acquire(t, p).Release() // finds it in a lane and too long unproven
		if s.checks.Load() != 1 {
			t.Errorf("%d checks", s.checks.Load())
		}
		acquire(t, p).Release()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if s.checks.Load() != 2 {
			t.Errorf("%d checks after the background had its turn", s.checks.Load())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 0 || s.closed.Load() != 1 {
			t.Errorf("%+v", st)
		}
	})
}

func TestAWaiterGetsTheWorkerThatLiesInALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 1}, &server{})
		got := make(chan pool.Lease[*conn], 2)
		for range 2 {
			go func() { got <- acquire(t, p) }()
		}
		(<-got).Release()
		(<-got).Release()
		if err := p.Reconfigure(pool.Config{Size: 1, Strategy: pool.FIFO}); err != nil { // closes the lanes
			t.Error(err)
		}
		before := p.LaneLends()
		acquire(t, p).Release()
		if p.LaneLends() != before {
			t.Error("lent from a lane although the order is fifo")
		}
		shut(t, p)
	})
}

func TestLanesDoNotAllocate(t *testing.T) {
	p := crowded(t, pool.Config{}, &server{})
	if n := testing.AllocsPerRun(1000, func() { acquire(t, p).Release() }); n != 0 && !testkit.Race {
		t.Errorf("%v allocations", n)
	}
}

// Whoever looks at the pool while a worker is on its way through a lane that was
// closed meanwhile must leave it to the one who brings it: among the idle ones no
// waiter would ever get it.
func TestALookAtThePoolTakesNoWorkerFromAWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 1, CheckoutTimeout: time.Minute}, &server{})
		l := acquire(t, p)
		got := make(chan pool.Lease[*conn])
		go func() { got <- acquire(t, p) }()
		synctest.Wait() // it queues, which closes the lanes
		settle := l.ReleaseLate()
		if st := p.Stats(); st.Waiting != 1 {
			t.Errorf("%+v", st)
		}
		settle()
		begun := time.Now()
		(<-got).Release()
		if d := time.Since(begun); d != 0 {
			t.Errorf("the waiter got the worker after %v", d)
		}
		shut(t, p)
	})
}

// The same with Close, which waits for every worker.
func TestALookAtAClosedPoolLosesNoWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 1}, &server{})
		l := acquire(t, p)
		ended := make(chan struct{})
		go func() { shut(t, p); close(ended) }()
		synctest.Wait()
		settle := l.ReleaseLate()
		_ = p.Stats()
		settle()
		<-ended
	})
}

// A borrowing from a lane is older than the leak report when that is switched on,
// and is none of its business; the alarm must not ring for it over and over.
func TestABorrowingFromALaneIsOlderThanTheLeakReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 1}, &server{})
		l := acquire(t, p)
		if p.LaneLends() == 0 {
			t.Fatal("not lent from a lane")
		}
		if err := p.Reconfigure(pool.Config{Size: 1, LeakAfter: time.Second, ReclaimLeaked: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // for ever, if the alarm is set for a time that has passed
		if !l.Release() {
			t.Error("the lease was taken away")
		}
		l = acquire(t, p)
		time.Sleep(2 * time.Second)
		if l.Release() || p.Stats().Leaked != 1 {
			t.Errorf("a later leak was not reclaimed: %+v", p.Stats())
		}
		shut(t, p)
	})
}

// A worker that was made for a waiter and has only lain in lanes since ends at its
// lifetime, too, although nobody comes for it.
func TestAWorkerInALaneEndsAtItsLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, MaxLifetime: time.Minute, LifetimeJitter: -1, CheckInterval: -1}, s)
		defer shut(t, p)
		p.Crowd()
		l := acquire(t, p)
		p.OpenLanes()
		l.Release()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s.closed.Load() != 1 {
			t.Errorf("%d workers closed, want 1", s.closed.Load())
		}
	})
}

// What a return has to do under the lock keeps the lanes closed, and what a worker
// needs before it is lent takes it out of its lane.
func TestLanesStayClosedWhereAReturnHasWorkToDo(t *testing.T) {
	for name, cfg := range map[string]pool.Config{
		"leak report": {Size: 2, LeakAfter: time.Minute}, "reserve": {Size: 2, MinIdle: 1}, "fifo": {Size: 2, Strategy: pool.FIFO},
		"overflow": {Size: -1, MaxOverflow: 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := crowded(t, cfg, &server{})
			acquire(t, p).Release()
			if n := p.LaneLends(); n != 0 {
				t.Errorf("%d workers were lent from lanes", n)
			}
		})
	}
	resets := 0
	p, err := pool.New("test", pool.Config{Size: 1}, pool.Factory[int]{
		New:   func(context.Context) (int, error) { return 1, nil },
		Reset: func(context.Context, int) error { resets++; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Crowd()
	for range 3 {
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
	}
	if resets != 3 {
		t.Errorf("%d resets of 3", resets)
	}
	shut(t, p)
}

func TestAWorkerPastItsLifetimeIsNeitherLentFromALaneNorPutThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := crowded(t, pool.Config{Size: 1, MaxLifetime: time.Minute, LifetimeJitter: -1, CheckInterval: -1, CheckAfter: -1}, s)
		defer shut(t, p)
		first := acquire(t, p)
		time.Sleep(time.Minute)
		first.Release()
		synctest.Wait()
		if s.closed.Load() != 1 {
			t.Error("kept past its lifetime")
		}
		second := acquire(t, p)
		if second.Value() == first.Value() {
			t.Error("lent past its lifetime")
		}
		settle := second.ReleaseLate() // lies in a lane
		settle()
		lends := p.LaneLends()
		time.Sleep(time.Minute) // at the same moment as the alarm
		third := acquire(t, p)
		if third.Value() == second.Value() || p.LaneLends() != lends {
			t.Error("lent from a lane past its lifetime")
		}
		third.Release()
	})
}

// A borrowing from a lane lasts from its own beginning.
func TestABorrowingFromALaneIsAsLongAsItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 1, CheckAfter: -1, CheckInterval: -1}, &server{})
		defer shut(t, p)
		time.Sleep(time.Hour)
		l, lends := acquire(t, p), p.LaneLends()
		time.Sleep(time.Second)
		l.Release()
		if st := p.Stats(); lends == 0 || st.HoldTime != time.Second {
			t.Errorf("%v on loan, %d from lanes", st.HoldTime, lends)
		}
	})
}

// A worker that comes back into a lane is proven from then on. The borrower tells the
// time: a goroutine that sleeps may go on with another lane.
func TestAReturnIntoALaneProvesAWorker(t *testing.T) {
	s := &server{}
	p := crowded(t, pool.Config{Size: 1, CheckAfter: 10 * time.Second, CheckInterval: -1}, s)
	now := clock.Now()
	for range 100 {
		now = now.Add(8 * time.Second)
		loan, err := p.Checkout(background, pool.CheckoutOptions{At: now, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		loan.Ended = now
		p.Return(loan, pool.Reuse)
	}
	if s.checks.Load() != 0 {
		t.Errorf("%d checks, %d of 100 lent from lanes", s.checks.Load(), p.LaneLends())
	}
}

// A worker in a lane that is in doubt goes where its idle time puts it: the one that
// came back last is lent.
func TestADoubtfulWorkerInALaneIsNotTheLastThatCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := crowded(t, pool.Config{Size: 2, CheckAfter: 5 * time.Second, CheckInterval: -1}, s)
		defer shut(t, p)
		first, second := acquire(t, p), acquire(t, p)
		p.OpenLanes()
		time.Sleep(time.Second)
		first.Release() // into the lane
		time.Sleep(time.Second)
		second.Release() // finds it taken
		time.Sleep(10 * time.Second)
		l := acquire(t, p)
		if st := p.Stats(); l.Value() != second.Value() || st.InUse != 1 || st.OldestLoan != 0 {
			t.Errorf("lent is %d, %+v", l.Value().id, st)
		}
		l.Release()
	})
}

// Nor is a worker lent from a lane to a borrower at whose time its life is over.
func TestTheTimeOfTheBorrowerEndsAWorkerInALane(t *testing.T) {
	p := crowded(t, pool.Config{Size: 1, MaxLifetime: time.Minute, LifetimeJitter: -1, CheckInterval: -1, CheckAfter: -1}, &server{})
	loan, err := p.Checkout(background, pool.CheckoutOptions{At: clock.Now().Add(2 * time.Minute), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := loan.Item.Worker.(*conn); c.id != 2 {
		t.Errorf("lent is worker %d", c.id)
	}
	p.Return(loan, pool.Reuse)
}

// A worker that was out when the upkeep came by, and then came back into a lane, is
// looked after, too.
func TestAWorkerThatMissedTheUpkeepIsLookedAfterInItsLane(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    pool.Config
		checks int64 // at least
		ended  int64
	}{
		"idle time":               {pool.Config{MaxIdleTime: time.Minute, CheckInterval: -1}, 0, 1},
		"idle time is the sooner": {pool.Config{MaxIdleTime: time.Minute, CheckInterval: time.Hour}, 0, 1},
		"check":                   {pool.Config{CheckInterval: time.Minute}, 1, 0},
		"check is the sooner":     {pool.Config{MaxIdleTime: time.Hour, CheckInterval: time.Minute}, 1, 0},
		"check, and no idle time": {pool.Config{MaxIdleTime: time.Second, Start: pool.Warm, CheckInterval: time.Minute}, 1, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			c.cfg.Size, c.cfg.CheckAfter = 1, -1
			p := crowded(t, c.cfg, s)
			defer shut(t, p)
			l := acquire(t, p)
			later(90 * time.Second) // the alarm has rung
			p.OpenLanes()
			l.Release()
			checks := s.checks.Load()
			later(2 * time.Minute)
			if s.checks.Load() < checks+c.checks || c.checks == 0 && s.checks.Load() > 0 || s.closed.Load() != c.ended {
				t.Errorf("%s: %d checks, %d ended", name, s.checks.Load()-checks, s.closed.Load())
			}
		})
	}
}

// The end of one worker's life is not the last that is waited for.
func TestEveryWorkerEndsAtItsLifetimeAlsoFromALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, MaxLifetime: time.Minute, LifetimeJitter: -1, CheckInterval: -1, CheckAfter: -1}, s)
		defer shut(t, p)
		p.Crowd()
		first := acquire(t, p)
		time.Sleep(30 * time.Second)
		second := acquire(t, p)
		first.Release()
		later(40 * time.Second) // the first has ended
		p.OpenLanes()
		second.Release()
		later(19 * time.Second)
		if s.closed.Load() != 1 {
			t.Errorf("%d ended early", s.closed.Load()-1)
		}
		later(time.Second)
		if s.closed.Load() != 2 {
			t.Error("the second has not ended")
		}
	})
}
