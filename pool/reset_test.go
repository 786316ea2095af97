package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// slowServer takes a second to make a conn.
func slowServer() *server {
	s := &server{}
	s.delay.Store(int64(time.Second))
	return s
}

func TestResetClosesIdleWorkersNowAndBorrowedOnesWhenTheyComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		var reasons []string
		telemetry.Subscribe(bus, "test", func(_ context.Context, e pool.WorkerStopped) { reasons = append(reasons, e.Reason) })
		s := &server{}
		p := open(t, pool.Config{Size: 2}, s, pool.WithBus(bus))
		defer shut(t, p)
		kept, returned := acquire(t, p), acquire(t, p)
		returned.Release()
		before := p.Stats()
		p.Reset()
		synctest.Wait()
		if st := p.Stats(); s.closed.Load() != 1 || st.Idle != 0 || st.InUse != 1 || st.Resets != before.Resets+1 || st.Checkouts != before.Checkouts {
			t.Errorf("after Reset: %d closed, %+v", s.closed.Load(), st)
		}
		if kept.Value().closed.Load() != 0 || !kept.Release() {
			t.Error("a borrowed worker was taken from its borrower")
		}
		synctest.Wait()
		if st := p.Stats(); st.Idle != 0 || st.InUse != 0 || st.Destroyed != 2 {
			t.Errorf("after the return: %+v", st)
		}
		if !slices.Equal(reasons, []string{"reset", "reset"}) {
			t.Errorf("closed because of %v", reasons)
		}
		l := acquire(t, p)
		if l.Value().id != 3 {
			t.Errorf("lent worker %d", l.Value().id)
		}
		l.Release()
		if st := p.Stats(); st.Idle != 1 {
			t.Errorf("a new worker is not kept: %+v", st)
		}
	})
}

func TestResetStopsWhatIsBeingMadeAndServesTheWaiterAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slowServer()
		p := open(t, pool.Config{Size: 1}, s)
		defer shut(t, p)
		began := time.Now()
		time.AfterFunc(900*time.Millisecond, p.Reset)
		l := acquire(t, p)
		if took := time.Since(began); l.Value().id != 2 || took != 1900*time.Millisecond {
			t.Errorf("worker %d after %v", l.Value().id, took)
		}
		l.Release()
		if st := p.Status(); st.Degraded || st.Stats.Attempts != 2 || st.Stats.Created != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A factory that does not hear that it is to stop makes a worker of the time before.
func TestAWorkerWhoseMakingOutlastsAResetIsNotLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		p, err := pool.New("test", pool.Config{Size: 1}, pool.Factory[int]{New: func(context.Context) (int, error) {
			made++
			id := made
			time.Sleep(time.Second)
			return id, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		p.Crowd()
		time.AfterFunc(500*time.Millisecond, p.Reset)
		l, err := p.Acquire(background)
		if err != nil || l.Value() != 2 {
			t.Errorf("lent %v, %v", l.Value(), err)
		}
		l.Release()
		for range 20 {
			if l, err = p.Acquire(background); err != nil {
				t.Fatal(err)
			}
			l.Release()
		}
		if p.LaneLends() == 0 {
			t.Error("the lanes stay closed")
		}
	})
}

func TestResetPassesWaitersNoWorkerOfTheTimeBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		l := acquire(t, p)
		got := make(chan int, 1)
		go func() {
			l := acquire(t, p)
			defer l.Release()
			got <- l.Value().id
		}()
		synctest.Wait()
		p.Reset()
		l.Release()
		if id := <-got; id != 2 {
			t.Errorf("the waiter got worker %d", id)
		}
	})
}

// A warm pool of eight comes back by one, by two and then by the rest, not by eight at once.
func TestResetDoesNotStormTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slowServer()
		p := open(t, pool.Config{Size: 8, Start: pool.Warm}, s)
		defer shut(t, p)
		time.Sleep(1500 * time.Millisecond)
		p.Reset()
		for _, want := range []int64{1, 3, 8, 8} {
			synctest.Wait()
			if got := s.attempt.Load() - 8; got != want {
				t.Errorf("%d attempts since Reset, want %d", got, want)
			}
			time.Sleep(time.Second)
		}
		if st := p.Stats(); st.Idle != 8 {
			t.Errorf("%+v", st)
		}
	})
}

// While workers cannot be made, Reset closes what is left and causes no attempt.
func TestResetOfAFailingPoolKeepsItsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, Backoff: 10 * time.Second, BackoffMax: 10 * time.Second, CheckInterval: -1}, s)
		defer shut(t, p)
		acquire(t, p).Release()
		l := acquire(t, p)
		s.down.Store(true)
		_, err := p.TryAcquire(background)
		wantCode(t, err, fault.WorkerFailed)
		l.Release()
		attempts := s.attempt.Load()
		for range 5 {
			p.Reset()
			synctest.Wait()
		}
		_, err = p.Acquire(background)
		wantCode(t, err, fault.WorkerFailed)
		if st := p.Status(); s.attempt.Load() != attempts || !st.Degraded || st.Stats.Idle != 0 || st.Stats.Resets != 5 {
			t.Errorf("%d attempts more, %+v", s.attempt.Load()-attempts, st)
		}
		s.down.Store(false)
		s.delay.Store(int64(time.Hour))
		time.Sleep(10 * time.Second) // the pool tries again, and resets stop what it tries
		for range 5 {
			p.Reset()
			synctest.Wait()
		}
		if more := s.attempt.Load() - attempts; more != 1 {
			t.Errorf("%d attempts, want one and then a pause", more)
		}
		s.delay.Store(0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if st := p.Status(); st.Degraded || st.Stats.Idle != 1 || st.Stats.Resets != 10 {
			t.Errorf("after the pause: %+v", st)
		}
	})
}

// Several attempts were under way: one failed, and Reset stopped the other. What would
// have been refused without Reset is refused with it, and nothing hangs.
func TestResetAmongFailuresLeavesNoWaiterBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		p, err := pool.New("test", pool.Config{Size: 2, Backoff: time.Second, CheckoutTimeout: time.Minute}, pool.Factory[int]{
			New: func(ctx context.Context) (int, error) {
				if calls.Add(1) == 1 {
					return 0, errDown
				}
				<-ctx.Done()
				return 0, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		refused := make(chan error, 2)
		for range 2 {
			go func() { _, err := p.Acquire(background); refused <- err }()
		}
		synctest.Wait()
		p.Reset()
		for range 2 {
			if err := <-refused; !errors.Is(err, fault.WorkerFailed) {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestResetReachesWorkersThatAreBeingCheckedOrLieInALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checking := make(chan struct{})
		s := &server{}
		f := s.factory()
		f.Check = func(context.Context, *conn) error { <-checking; return nil }
		p, err := pool.New("test", pool.Config{Size: 1, CheckInterval: time.Second}, f)
		if err != nil {
			t.Fatal(err)
		}
		acquire(t, p).Release()
		time.Sleep(1500 * time.Millisecond) // the background checks it now
		p.Reset()
		close(checking)
		synctest.Wait()
		if st := p.Stats(); s.closed.Load() != 1 || st.Idle != 0 || st.InUse != 0 {
			t.Errorf("checked: %+v", st)
		}
		shut(t, p)

		for about, end := range map[string]func(*pool.Pool[*conn]){
			"in a lane": func(p *pool.Pool[*conn]) { acquire(t, p).Release(); p.Reset() },
			"late": func(p *pool.Pool[*conn]) {
				l := acquire(t, p)
				p.Reset()
				l.ReleaseLate()()
			},
			"late, and the lanes would open": func(p *pool.Pool[*conn]) {
				l := acquire(t, p)
				p.Reset()
				settle := l.ReleaseLate()
				p.OpenLanes()
				settle()
			},
		} {
			s := &server{}
			p := crowded(t, pool.Config{Size: 2}, s)
			end(p)
			synctest.Wait()
			if st := p.Stats(); s.live.Load() != 0 || st.Idle != 0 || st.InUse != 0 {
				t.Errorf("%s: %d alive, %+v", about, s.live.Load(), st)
			}
			acquire(t, p).Release()
			acquire(t, p).Release()
			lends := p.LaneLends()
			acquire(t, p).Release()
			if p.LaneLends() == lends {
				t.Errorf("%s: the lanes stay closed", about)
			}
			if st := p.Stats(); st.Created != 2 || st.Idle != 1 {
				t.Errorf("%s, afterwards: %+v", about, st)
			}
			shut(t, p)
		}
	})
}

func TestResetOfAClosedPoolChangesNothing(t *testing.T) {
	p := open(t, pool.Config{Size: 1, Start: pool.Strict}, &server{})
	shut(t, p)
	before := p.Stats()
	p.Reset()
	if p.Stats() != before {
		t.Errorf("%+v, before %+v", p.Stats(), before)
	}
}

// The reserve is made anew while the old one is still being closed.
func TestResetMakesTheReserveAnewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		f := s.factory()
		f.Close = func(c *conn) { time.Sleep(time.Second); s.hangUp(c) }
		p, err := pool.New("db", pool.Config{Size: 4, MinIdle: 2}, f)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		synctest.Wait()
		before := p.Stats()
		p.Reset()
		synctest.Wait()
		if st := p.Stats(); before.Idle != 2 || st.Idle != 2 || st.Closing != 2 || st.Created != 4 {
			t.Errorf("before %+v, then %+v", before, st)
		}
	})
}

// A borrower that waits for the making of a worker only is not kept through a pause
// that a reset brings about.
func TestResetDuringAnOutageRefusesWhoWaitsForTheMakingOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := slowServer()
		p := open(t, pool.Config{Size: 3, Backoff: time.Minute, BackoffMax: time.Minute, CheckoutTimeout: time.Hour}, s)
		defer shut(t, p)
		held := acquire(t, p)
		defer held.Release()
		s.down.Store(true)
		fails := func(after time.Duration) {
			began := time.Now()
			_, err := p.Checkout(t.Context(), pool.CheckoutOptions{NoWait: true})
			if !errors.Is(err, fault.WorkerFailed) || time.Since(began) != after {
				t.Errorf("%v after %v, want %v", err, time.Since(began), after)
			}
		}
		fails(time.Second) // the attempt that fails
		go func() { _, _ = p.Checkout(t.Context(), pool.CheckoutOptions{}) }()
		for p.Stats().Making == 0 {
			time.Sleep(time.Second / 4)
		}
		time.AfterFunc(time.Second/4, p.Reset)
		fails(time.Second / 4)
	})
}
