package pool_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// later waits for a time and for everything that is due then.
func later(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// An idle worker ends at the moment at which it has been idle for long enough, except
// for the reserve, and except where the pool is to be full.
func TestIdleWorkersEndToTheMoment(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   pool.Config
		stays int
	}{
		"all":           {pool.Config{Size: 3, MaxIdleTime: time.Minute}, 0},
		"but one":       {pool.Config{Size: 3, MaxIdleTime: time.Minute, MinIdle: 1}, 1},
		"none, warm":    {pool.Config{Size: 3, MaxIdleTime: time.Minute, Start: pool.Warm}, 3},
		"all, unproven": {pool.Config{Size: 3, MaxIdleTime: time.Minute, CheckInterval: -1}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			p := open(t, c.cfg, s)
			defer shut(t, p)
			var leases []pool.Lease[*conn]
			for range 3 {
				leases = append(leases, acquire(t, p))
			}
			synctest.Wait()
			for _, l := range leases {
				l.Release()
			}
			made := s.attempt.Load()
			later(time.Minute - 1)
			if s.closed.Load() != 0 {
				t.Errorf("%s: %d ended early", name, s.closed.Load())
			}
			later(1)
			if s.closed.Load() != int64(3-c.stays) {
				t.Errorf("%s: %d ended in time", name, s.closed.Load())
			}
			later(time.Hour)
			if s.live.Load() != int64(c.stays) || s.attempt.Load() != made {
				t.Errorf("%s: an hour later %d live, %d were made anew", name, s.live.Load(), s.attempt.Load()-made)
			}
		})
	}
}

// Idle workers are checked at each interval, and not without a check.
func TestIdleWorkersAreCheckedAtEachInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, Start: pool.Warm, CheckInterval: 10 * time.Second}, s)
		defer shut(t, p)
		synctest.Wait()
		for want := range int64(6) {
			later(10*time.Second - 1)
			if s.checks.Load() != want {
				t.Fatalf("%d checks before the interval %d is over", s.checks.Load(), want+1)
			}
			later(1)
		}
		plain, err := pool.New("plain", pool.Config{Size: 1, Start: pool.Warm, CheckInterval: 10 * time.Second}, pool.Factory[*conn]{New: s.dial, Close: s.hangUp})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, plain)
		later(time.Minute)
		if st := plain.Stats(); st.Destroyed != 0 || st.BadChecks != 0 || st.Idle != 1 {
			t.Errorf("without a check: %+v", st)
		}
	})
}

// What lies in a lane is looked after as what lies among the idle ones, at the latest
// after twice the time.
func TestWorkersInLanesAreLookedAfter(t *testing.T) {
	for name, c := range map[string]struct {
		cfg    pool.Config
		passed time.Duration
		checks int64 // at least
		ended  int64
	}{
		"idle time":                  {pool.Config{MaxIdleTime: time.Minute, CheckInterval: -1}, 2 * time.Minute, 0, 1},
		"idle time is the shorter":   {pool.Config{MaxIdleTime: time.Minute, CheckInterval: time.Hour}, 2 * time.Minute, 0, 1},
		"check is the shorter":       {pool.Config{MaxIdleTime: time.Hour, CheckInterval: 10 * time.Second}, time.Minute, 3, 0},
		"check, and no idle time":    {pool.Config{MaxIdleTime: time.Hour, Start: pool.Warm, CheckInterval: 10 * time.Second}, time.Minute, 3, 0},
		"a life, and nothing else":   {pool.Config{MaxIdleTime: 10 * time.Hour, MaxLifetime: time.Minute, CheckInterval: -1}, time.Minute, 0, 1},
		"none of all is due":         {pool.Config{MaxIdleTime: 10 * time.Hour, MaxLifetime: 10 * time.Hour, CheckInterval: -1}, time.Hour, 0, 0},
		"the reserve outlives it":    {pool.Config{MaxIdleTime: time.Minute, MinIdle: 1, CheckInterval: -1}, time.Hour, 0, 0},
		"a warm pool keeps its size": {pool.Config{MaxIdleTime: time.Minute, Start: pool.Warm, CheckInterval: -1}, time.Hour, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &server{}
			c.cfg.Size = 1
			p := crowded(t, c.cfg, s)
			defer shut(t, p)
			acquire(t, p).Release()
			later(c.passed)
			if s.checks.Load() < c.checks || c.checks == 0 && s.checks.Load() > 0 || s.closed.Load() != c.ended {
				t.Errorf("%s: %d checks, %d ended", name, s.checks.Load(), s.closed.Load())
			}
		})
	}
}

// A worker that is being checked in the background is given to whoever waits for it,
// closed if the pool became smaller or was reset, and counted as in use meanwhile.
func TestWhatBecomesOfAWorkerWhoseCheckEnds(t *testing.T) {
	for name, c := range map[string]struct {
		during func(p *pool.Pool[*conn]) error
		waits  bool
		ended  int64
	}{
		"nothing": {func(*pool.Pool[*conn]) error { return nil }, false, 0},
		"waiter":  {func(*pool.Pool[*conn]) error { return nil }, true, 0},
		"smaller": {func(p *pool.Pool[*conn]) error { return p.Reconfigure(pool.Config{Size: -1, MaxOverflow: 1}) }, false, 1},
		"reset":   {func(p *pool.Pool[*conn]) error { p.Reset(); return nil }, false, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, slow := &server{}, make(chan struct{})
			f := s.factory()
			f.Check = func(context.Context, *conn) error { s.checks.Add(1); <-slow; return nil }
			p, err := pool.New("test", pool.Config{Size: 1, CheckInterval: 10 * time.Second, CheckTimeout: time.Hour}, f)
			if err != nil {
				t.Fatal(err)
			}
			defer shut(t, p)
			acquire(t, p).Release()
			later(10 * time.Second)
			if st := p.Stats(); st.InUse != 1 || st.Idle != 0 {
				t.Errorf("%s: while it is checked: %+v", name, st)
			}
			if err := c.during(p); err != nil {
				t.Error(name, err)
			}
			got := make(chan int, 1)
			if c.waits {
				go func() {
					l, err := p.Acquire(t.Context())
					if err != nil {
						t.Error(name, err)
						got <- 0
						return
					}
					got <- l.Value().id
					l.Release()
				}()
				synctest.Wait()
			}
			close(slow)
			synctest.Wait()
			if c.waits {
				if id := <-got; id != 1 {
					t.Errorf("%s: whoever waited got worker %d", name, id)
				}
			}
			if s.closed.Load() != c.ended || s.checks.Load() != 1 {
				t.Errorf("%s: %d ended, %d checks", name, s.closed.Load(), s.checks.Load())
			}
		})
	}
}

// Workers that were checked in the background keep their order.
func TestChecksKeepTheOrderOfIdleWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, CheckAfter: -1, CheckInterval: 10 * time.Second}, s)
		defer shut(t, p)
		first, second := acquire(t, p), acquire(t, p)
		first.Release()
		time.Sleep(time.Second)
		second.Release()
		later(15 * time.Second)
		l := acquire(t, p)
		if l.Value() != second.Value() || s.checks.Load() != 2 {
			t.Errorf("lent is %d after %d checks", l.Value().id, s.checks.Load())
		}
		l.Release()
	})
}

// Where nothing can be checked no worker is closed for it, whatever the alarm rings for.
func TestWithoutACheckNoWorkerFailsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p, err := pool.New("test", pool.Config{Size: 1, LeakAfter: time.Minute}, pool.Factory[*conn]{New: s.dial, Close: s.hangUp})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		acquire(t, p).Release()
		later(2 * time.Minute)
		if st := p.Stats(); st.BadChecks != 0 || st.Destroyed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A Close during a check in the background closes the worker because of the Close,
// whatever the check says.
func TestACloseDuringACheckIsWhyTheWorkerEnds(t *testing.T) {
	for _, obedient := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, bus := &server{}, telemetry.NewBus()
			stops := heard[pool.WorkerStopped](t, bus)
			f := s.factory()
			f.Check = func(ctx context.Context, _ *conn) error {
				time.Sleep(time.Second)
				if obedient {
					return ctx.Err()
				}
				return nil
			}
			p, err := pool.New("test", pool.Config{Size: 1, CheckInterval: 10 * time.Second, CheckTimeout: time.Minute}, f, pool.WithBus(bus))
			if err != nil {
				t.Fatal(err)
			}
			acquire(t, p).Release()
			later(10 * time.Second)
			shut(t, p)
			if got := stops(); len(got) != 1 || got[0].Reason != "closed" || got[0].Err != nil || p.Stats().BadChecks != 0 {
				t.Errorf("%+v, %d bad checks", got, p.Stats().BadChecks)
			}
		})
	}
}

// A worker that is being made for a borrower is taken already.
func TestAWorkerInTheMakingIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, MaxOverflow: 1}, s)
		defer shut(t, p)
		l := acquire(t, p)
		s.delay.Store(int64(time.Second))
		go func() { acquire(t, p).Release() }()
		synctest.Wait()
		if st := p.Status(); st.Available != 0 || st.Overflow != 1 || st.State != "full" || st.CheckedOut != 1 {
			t.Errorf("%s: %d available, %d overflow", st.State, st.Available, st.Overflow)
		}
		later(time.Second)
		l.Release()
	})
}
