package pool_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// Workers end in any order; those that stay are still known, each with its time.
func TestWhateverWorkerEndsTheOthersStayKnown(t *testing.T) {
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		synctest.Test(t, func(t *testing.T) {
			s, since := &server{}, [3]time.Time{}
			p := open(t, pool.Config{Size: 3}, s)
			defer shut(t, p)
			var leases [3]pool.Lease[*conn]
			for i := range leases {
				leases[i], since[i] = acquire(t, p), time.Now()
				time.Sleep(time.Second)
			}
			left := []int{0, 1, 2}
			for _, i := range order {
				want := time.Since(since[left[0]])
				if st := p.Stats(); st.OldestLoan != want || st.InUse != len(left) {
					t.Errorf("order %v: %d in use, the oldest for %v, want %d and %v", order, st.InUse, st.OldestLoan, len(left), want)
				}
				leases[i].Destroy()
				synctest.Wait()
				left = slices.DeleteFunc(left, func(n int) bool { return n == i })
			}
			if st := p.Stats(); st.OldestLoan != 0 || st.InUse != 0 || s.live.Load() != 0 || s.badlyClosed() != 0 {
				t.Errorf("order %v: %+v, %d live", order, st, s.live.Load())
			}
		})
	}
}

// Each loan that lasts too long is reported once, also after others have ended.
func TestEveryLeakIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, bus := &server{}, telemetry.NewBus()
		var held []time.Duration
		if _, err := telemetry.Subscribe(bus, "leaks", func(_ context.Context, e pool.WorkerLeaked) { held = append(held, e.Held) }); err != nil {
			t.Fatal(err)
		}
		p := open(t, pool.Config{Size: 4, LeakAfter: 10 * time.Second}, s, pool.WithBus(bus))
		defer shut(t, p)
		var leases []pool.Lease[*conn]
		for range 4 {
			leases = append(leases, acquire(t, p))
			time.Sleep(time.Second)
		}
		leases[1].Destroy()
		leases[0].Destroy()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(held) != 2 || held[0] != 10*time.Second || held[1] != 10*time.Second || p.Stats().Leaked != 2 {
			t.Errorf("told of %v, %d counted", held, p.Stats().Leaked)
		}
		leases[2].Release()
		leases[3].Release()
	})
}

// Once a worker could not be made the server may have gone: those that were fit a moment
// ago are checked before they are lent, once.
func TestAFailedStartMakesEveryWorkerDoubtful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 3, MinIdle: 2, CheckAfter: time.Hour}, s)
		defer shut(t, p)
		synctest.Wait()
		time.Sleep(time.Second)
		s.down.Store(true)
		first := acquire(t, p)
		synctest.Wait() // the third, for the reserve, cannot be made
		if s.checks.Load() != 0 || p.Stats().Failures != 1 {
			t.Errorf("%d checks of a worker that is proven, %d failures", s.checks.Load(), p.Stats().Failures)
		}
		s.down.Store(false)
		second := acquire(t, p)
		if s.checks.Load() != 1 {
			t.Errorf("%d checks of a worker that is in doubt", s.checks.Load())
		}
		second.Release()
		acquire(t, p).Release()
		if s.checks.Load() != 1 {
			t.Errorf("%d checks of a worker that is proven again", s.checks.Load())
		}
		first.Release()
	})
}

// While workers are there and nobody waits, a pool whose factory fails tries no more.
func TestAFailingFactoryIsLeftAloneWhileNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 3, CheckoutTimeout: time.Second, Backoff: time.Second, BackoffMax: time.Second}, s)
		defer shut(t, p)
		l := acquire(t, p)
		s.down.Store(true)
		if _, err := p.Acquire(t.Context()); err == nil {
			t.Error("a worker of a server that is down")
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		before := s.attempt.Load()
		time.Sleep(time.Hour)
		if got := s.attempt.Load(); got != before {
			t.Errorf("%d attempts for nobody", got-before)
		}
		s.down.Store(false)
		acquire(t, p).Release()
		l.Release()
	})
}

// Refusals say what ran out, and whoever listens hears of them.
func TestRefusalsSayWhatRanOutAndAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var timedOut []pool.TimedOut
		var full []pool.RefusedFull
		if _, err := telemetry.Subscribe(bus, "timed out", func(_ context.Context, e pool.TimedOut) { timedOut = append(timedOut, e) }); err != nil {
			t.Fatal(err)
		}
		if _, err := telemetry.Subscribe(bus, "full", func(_ context.Context, e pool.RefusedFull) { full = append(full, e) }); err != nil {
			t.Fatal(err)
		}
		p := open(t, pool.Config{Size: 1, MaxWaiters: 1, CheckoutTimeout: 2 * time.Second}, &server{}, pool.WithBus(bus))
		defer shut(t, p)
		l := acquire(t, p)
		waiting := make(chan error, 1)
		go func() {
			_, err := p.Acquire(t.Context())
			waiting <- err
		}()
		synctest.Wait()
		_, err := p.Acquire(t.Context())
		wantCode(t, err, fault.PoolFull)
		if len(full) != 1 || full[0] != (pool.RefusedFull{Pool: "test", InUse: 1, Waiting: 1}) {
			t.Errorf("told of %+v", full)
		}
		err = <-waiting
		wantCode(t, err, fault.PoolTimeout)
		if !strings.Contains(err.Error(), "no worker became free within 2s") {
			t.Errorf("it says %v", err)
		}
		if len(timedOut) != 1 || timedOut[0] != (pool.TimedOut{Pool: "test", Waited: 2 * time.Second}) {
			t.Errorf("told of %+v", timedOut)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Acquire(ctx)
		wantCode(t, err, fault.PoolTimeout)
		if !strings.Contains(err.Error(), "the caller's deadline passed before it had a worker") {
			t.Errorf("it says %v", err)
		}
		if len(timedOut) != 2 || p.Stats().Timeouts != 2 || p.Stats().Full != 1 {
			t.Errorf("told of %+v, %+v", timedOut, p.Stats())
		}
		l.Release()
	})
}

// Values that name nothing say so, and are refused in a configuration.
func TestNumbersThatNameNothing(t *testing.T) {
	for _, n := range []uint8{2, 3, 200} {
		if pool.Strategy(n).String() == "" || pool.Start(n+1).String() == "" {
			t.Error("no text for a number")
		}
		_, err := pool.New("test", pool.Config{Strategy: pool.Strategy(n)}, (&server{}).factory())
		wantCode(t, err, fault.InvalidConfig)
		_, err = pool.New("test", pool.Config{Start: pool.Start(n + 1)}, (&server{}).factory())
		wantCode(t, err, fault.InvalidConfig)
	}
}

// A worker whose life has ended is lent no more, also from a lane, and what lay there
// is counted as what it is.
func TestAWorkerInALaneIsLentNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := crowded(t, pool.Config{Size: 2, MaxLifetime: time.Minute, CheckAfter: time.Second}, s)
		defer shut(t, p)
		first := acquire(t, p)
		id := first.Value().id
		first.Release()
		time.Sleep(10 * time.Second) // doubtful: it leaves the lane, is checked and lent
		l := acquire(t, p)
		if st := p.Status(); st.CheckedOut != 1 || st.Stats.InUse != 1 || st.Stats.Idle != 0 || l.Value().id != id || s.checks.Load() != 1 {
			t.Errorf("%+v, %d checks", st.Stats, s.checks.Load())
		}
		l.Release()
		if st := p.Status(); st.CheckedOut != 0 || st.Stats.InUse != 0 || st.Stats.Idle != 1 {
			t.Errorf("%+v", st.Stats)
		}
		time.Sleep(time.Minute)
		l = acquire(t, p)
		if l.Value().id == id || l.Value().closed.Load() != 0 {
			t.Errorf("worker %d is lent after its end", l.Value().id)
		}
		l.Release()
	})
}
