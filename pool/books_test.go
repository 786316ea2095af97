package pool_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

// heard collects the events of one kind.
func heard[E telemetry.Event](t *testing.T, bus *telemetry.Bus) func() []E {
	t.Helper()
	var mu sync.Mutex
	var events []E
	s, err := telemetry.Subscribe(bus, fmt.Sprintf("%T", *new(E)), func(_ context.Context, e E) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Cancel)
	return func() []E {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(events)
	}
}

func TestEventsSayWhatBecameOfAWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		checkins, stops := heard[pool.CheckedIn](t, bus), heard[pool.WorkerStopped](t, bus)
		var unclean, unfit atomic.Bool
		p, err := pool.New("test", pool.Config{Size: 1, CheckAfter: time.Second, CheckInterval: -1}, pool.Factory[int]{
			New: func(context.Context) (int, error) { return 1, nil },
			Reset: func(context.Context, int) error {
				if unclean.Load() {
					return errors.New("not clean")
				}
				return nil
			},
			Check: func(context.Context, int) error {
				if unfit.Load() {
					return errDown
				}
				return nil
			},
			Close: func(int) {
				if unfit.Load() {
					panic("oops")
				}
			},
		}, pool.WithBus(bus))
		if err != nil {
			t.Fatal(err)
		}
		lend := func(end func(pool.Lease[int]) bool) {
			t.Helper()
			l, err := p.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			end(l)
			synctest.Wait()
		}
		lend(pool.Lease[int].Release)
		lend(pool.Lease[int].Destroy)
		unclean.Store(true)
		lend(pool.Lease[int].Release)
		unclean.Store(false)
		lend(pool.Lease[int].Release)
		time.Sleep(time.Minute)
		unfit.Store(true)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		time.AfterFunc(time.Millisecond, func() { unfit.Store(false) })
		if l, err := p.Acquire(ctx); err == nil { // after a check that fails
			l.Release()
		}
		synctest.Wait()
		var destroyed []bool
		for _, e := range checkins() {
			destroyed = append(destroyed, e.Destroyed)
		}
		if want := []bool{false, true, true, false, false}; !slices.Equal(destroyed, want) {
			t.Errorf("checked in, destroyed or not: %v, want %v", destroyed, want)
		}
		if st := p.Stats(); st.BadChecks != 2 || st.Destroyed != 3 || st.Created != 4 {
			t.Errorf("%+v", st)
		}
		var ends []string
		for _, e := range stops() {
			ends = append(ends, fmt.Sprint(e.Reason, " ", e.Err))
		}
		if want := []string{"discarded <nil>", "discarded <nil>", "check the factory panicked: oops"}; !slices.Equal(ends, want) {
			t.Errorf("stopped: %q, want %q", ends, want)
		}
		shut(t, p)
	})
}

func TestTheEndOfAWorkerThatFailedItsCheckSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		stops := heard[pool.WorkerStopped](t, bus)
		s := &server{}
		p := open(t, pool.Config{Size: 1, CheckInterval: time.Minute}, s, pool.WithBus(bus))
		acquire(t, p).Release()
		s.crash()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got := stops(); len(got) != 1 || got[0].Reason != "check" || !errors.Is(got[0].Err, errDown) {
			t.Errorf("%+v", got)
		}
		shut(t, p)
	})
}

// Every borrower is in the books once, however it came to its worker.
func TestBorrowersAreCountedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 1, CheckInterval: -1}, &server{})
		hold := make(chan struct{})
		defer close(hold)
		for range 64 { // goroutines that stay, so that their stacks, and with them their lanes, are not all the same
			go func() {
				acquire(t, p).Release()
				<-hold
			}()
			synctest.Wait()
		}
		if st := p.Status(); st.Wait.Count != st.Stats.Checkouts || st.Stats.Checkouts != 66 || st.Stats.Waits != 1 {
			t.Errorf("%d waits for no time or some, %+v", st.Wait.Count, st.Stats)
		}
		l := acquire(t, p)
		time.AfterFunc(time.Second, func() { l.Release() })
		acquire(t, p).Release()
		if st := p.Status(); st.Stats.Waits != 2 || st.Stats.WaitTime != time.Second || st.Wait.Count != 68 {
			t.Errorf("%d waits for no time or some, %+v", st.Wait.Count, st.Stats)
		}
		shut(t, p)
	})
}

// A worker that was lent from a lane once and later under the lock has been out since
// then.
func TestTheAgeOfALoanIsThatOfTheLoan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := crowded(t, pool.Config{Size: 2, CheckAfter: -1, CheckInterval: -1}, &server{})
		acquire(t, p).Release()
		if p.LaneLends() == 0 {
			t.Fatal("nothing was lent from a lane")
		}
		time.Sleep(time.Hour)
		if err := p.Reconfigure(pool.Config{Size: 2, CheckAfter: -1, CheckInterval: -1, Strategy: pool.FIFO}); err != nil { // closes the lanes
			t.Fatal(err)
		}
		l := acquire(t, p)
		time.Sleep(time.Second)
		if st := p.Stats(); st.OldestLoan != time.Second {
			t.Errorf("the oldest loan lasts %v", st.OldestLoan)
		}
		before := p.Stats().HoldTime
		l.Release()
		if held := p.Stats().HoldTime - before; held < time.Second*63/64 || held > time.Second*65/64 {
			t.Errorf("it was held for %v", held)
		}
		shut(t, p)
	})
}

// Close waits for a borrower, whatever checks and resets there were before.
func TestCloseWaitsForABorrowerAfterChecksAndResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fit := func(context.Context, int) error { return nil }
		p, err := pool.New("test", pool.Config{Size: 1, CreateTimeout: time.Second, CheckInterval: -1}, pool.Factory[int]{
			New: func(context.Context) (int, error) { return 1, nil }, Check: fit, Reset: fit,
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			l, err := p.Acquire(background)
			if err != nil {
				t.Fatal(err)
			}
			l.Suspect() // resets it, and has the next one check it
		}
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Minute, func() { l.Release() })
		if err := p.Close(background); err != nil {
			t.Error(err)
		}
	})
}

// A caller that knows the time says it: waits and borrowings count from there.
func TestALoanCountsFromTheInstantsOfItsBorrower(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		asked := clock.Now().Add(-3 * time.Second)
		l, err := p.Checkout(background, pool.CheckoutOptions{At: asked})
		if err != nil || l.Waited != 3*time.Second {
			t.Fatalf("waited %v, %v", l.Waited, err)
		}
		l.Ended = clock.Now().Add(5 * time.Second)
		p.Return(l, pool.Reuse)
		if st := p.Stats(); st.HoldTime != 5*time.Second || st.StaleEnds != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// The metrics are the counts of Stats.
func TestMetricsAreTheCountsOfStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, MaxOverflow: 1, MaxWaiters: 2, LeakAfter: time.Second, CheckInterval: -1}, s)
		defer shut(t, p)
		var leases []pool.Lease[*conn]
		for range 3 {
			leases = append(leases, acquire(t, p))
		}
		for range 4 {
			_, _ = p.TryAcquire(background) // full
		}
		ctx, cancel := context.WithTimeout(background, time.Minute)
		for range 2 {
			go func() { _, _ = p.Acquire(ctx) }() // until the leases have leaked
		}
		time.Sleep(2 * time.Minute)
		cancel()
		canceled, giveUp := context.WithCancel(background)
		giveUp()
		for range 5 {
			_, _ = p.Acquire(canceled)
		}
		leases[0].Release() // the overflow one
		s.down.Store(true)
		for range 6 {
			_, _ = p.TryAcquire(background) // fails
		}
		go func() {
			if l, err := p.Acquire(background); err == nil {
				l.Release()
			}
		}()
		synctest.Wait()
		st := p.Stats()
		want := map[string]float64{
			"resources[idle]": float64(st.Idle), "resources[used]": 2, "resources[making]": float64(st.Making), "resources[closing]": float64(st.Closing),
			"max": 3, "pending_requests": 1, "degraded": 1, "checkouts_total": float64(st.Checkouts), "timeouts_total": 2,
			"rejections_total[pool_full]": 4, "rejections_total[pool_timeout]": 2, "rejections_total[canceled]": 5,
			"rejections_total[worker_failed]": 6, "creations_total[success]": 3, "creations_total[failure]": float64(st.Failures),
			"destroyed_total": 1, "leaks_total": 3, "create_seconds": 3, "wait_seconds": float64(p.Status().Wait.Count), "use_seconds": 1,
		}
		if st.Failures == 0 || st.Waiting != 1 || st.Checkouts != 3 {
			t.Errorf("%+v", st)
		}
		p.Collect(func(sample telemetry.Sample) {
			name := sample.Desc.Name[len("foundation_pool_"):]
			if len(sample.Labels) > 1 {
				name += "[" + sample.Labels[1] + "]"
			}
			got := sample.Value
			if sample.Distribution != nil {
				got = float64(sample.Distribution.Count())
			}
			if expected, ok := want[name]; !ok || got != expected || sample.Labels[0] != "test" {
				t.Errorf("%s of %v is %v, want %v", name, sample.Labels, got, expected)
			}
			delete(want, name)
		})
		if len(want) > 0 {
			t.Errorf("missing: %v", want)
		}
		for _, l := range leases[1:] {
			l.Release()
		}
		s.down.Store(false)
	})
}
