package pool_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

func TestWaitersAreServedInTheOrderOfTheirComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		first := acquire(t, p)
		var served []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				l := acquire(t, p)
				served = append(served, i)
				l.Release()
			})
			synctest.Wait()
		}
		first.Release()
		wg.Wait()
		if !slices.IsSorted(served) || len(served) != 10 {
			t.Errorf("served %v", served)
		}
	})
}

func TestWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1, MaxWaiters: 2}, &server{})
		defer shut(t, p)
		l := acquire(t, p)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { acquire(t, p).Release() })
		}
		synctest.Wait()
		_, err := p.Acquire(background)
		wantCode(t, err, fault.PoolFull)
		l.Release()
		wg.Wait()
	})
}

func TestWorkersEndAtTheirLifetimeCutByTheJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 20, MaxLifetime: time.Hour, LifetimeJitter: 0.5, Start: pool.Warm}, s)
		defer shut(t, p)
		time.Sleep(30*time.Minute - time.Second)
		synctest.Wait()
		if s.closed.Load() != 0 {
			t.Errorf("%d ended before half of their life", s.closed.Load())
		}
		time.Sleep(15 * time.Minute)
		synctest.Wait()
		if n := s.closed.Load(); n == 0 || n == 20 {
			t.Errorf("%d of 20 ended by the middle of the jitter", n)
		}
		time.Sleep(15*time.Minute + 2*time.Second)
		synctest.Wait()
		if n := s.closed.Load(); n != 20 || p.Stats().Idle != 20 {
			t.Errorf("%d of the first 20 ended, %+v", n, p.Stats())
		}
	})
}

func TestIdleWorkersEndDownToTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 5, MinIdle: 2, MaxIdleTime: time.Minute}, s)
		defer shut(t, p)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 2 {
			t.Errorf("reserve at the start: %+v", st)
		}
		var leases []pool.Lease[*conn]
		for range 5 {
			leases = append(leases, acquire(t, p))
		}
		for _, l := range leases {
			l.Release()
		}
		time.Sleep(time.Minute - time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 5 {
			t.Errorf("before: %+v", st)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 2 {
			t.Errorf("after: %+v", st)
		}
		l := acquire(t, p)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 2 || st.InUse != 1 {
			t.Errorf("the reserve was not filled up: %+v", st)
		}
		l.Release()
	})
}

func TestALongIdleWorkerIsCheckedBeforeItIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, CheckAfter: 2 * time.Second, CheckInterval: -1}, s)
		defer shut(t, p)
		acquire(t, p).Release()
		time.Sleep(time.Second)
		acquire(t, p).Release()
		if n := s.checks.Load(); n != 0 {
			t.Errorf("%d checks too early", n)
		}
		time.Sleep(2 * time.Second)
		s.conns[0].dead.Store(true)
		l := acquire(t, p)
		if n := s.checks.Load(); n != 1 || l.Value().id != 2 {
			t.Errorf("%d checks, got conn %d", n, l.Value().id)
		}
		l.Release()
	})
}

func TestAFailedCheckMakesAllOthersDoubtful(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 3, CheckAfter: time.Hour, CheckInterval: -1}, s)
		defer shut(t, p)
		leases := []pool.Lease[*conn]{acquire(t, p), acquire(t, p), acquire(t, p)}
		leases[0].Release()
		leases[1].Release()
		for _, c := range s.conns {
			c.dead.Store(true)
		}
		time.Sleep(time.Second)
		leases[2].Suspect() // and is the next to be lent
		l := acquire(t, p)
		if l.Value().id != 4 || s.checks.Load() != 3 {
			t.Errorf("got conn %d after %d checks", l.Value().id, s.checks.Load())
		}
		l.Release()
	})
}

func TestStrictRefusesToStartAndWarmDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.down.Store(true)
		_, err := pool.New("test", pool.Config{Start: pool.Strict}, s.factory())
		wantCode(t, err, fault.WorkerFailed)
		if s.live.Load() != 0 {
			t.Errorf("%d workers left", s.live.Load())
		}
		warm := open(t, pool.Config{Start: pool.Warm}, s)
		defer shut(t, warm)
		synctest.Wait()
		if st := warm.Status(); !st.Degraded {
			t.Errorf("%+v", st)
		}
		s.down.Store(false)
		time.Sleep(time.Second)
		strict := open(t, pool.Config{Start: pool.Strict}, s)
		defer shut(t, strict)
		synctest.Wait()
		if a, b := warm.Stats(), strict.Stats(); a.Idle != 5 || b.Idle != 5 {
			t.Errorf("%+v\n%+v", a, b)
		}
	})
}

func TestAReturningServerIsMetStepByStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.down.Store(true)
		p := open(t, pool.Config{Size: 16, Start: pool.Warm}, s)
		defer shut(t, p)
		synctest.Wait()
		s.down.Store(false)
		s.delay.Store(int64(time.Second))
		for p.Stats().Making == 0 {
			time.Sleep(time.Millisecond)
		}
		var steps []int
		for p.Stats().Idle < 16 {
			steps = append(steps, p.Stats().Making)
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if !slices.Equal(steps, []int{1, 2, 8, 5}) && !slices.Equal(steps, []int{1, 2, 4, 8, 1}) && !slices.Equal(steps, []int{1, 2, 8, 6}) {
			t.Logf("steps %v", steps)
		}
		if len(steps) < 3 || steps[0] != 1 || steps[1] != 2 {
			t.Errorf("made side by side: %v", steps)
		}
	})
}

func TestReconfigureKeepsStateAndRefusesNonsense(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, CheckoutTimeout: time.Minute}, s)
		defer shut(t, p)
		l := acquire(t, p)
		wantCode(t, p.Reconfigure(pool.Config{Size: -5}), fault.InvalidConfig)
		if p.Config().Size != 1 {
			t.Error("a refused configuration was taken")
		}
		got := make(chan pool.Lease[*conn])
		go func() { got <- acquire(t, p) }()
		synctest.Wait()
		if err := p.Reconfigure(pool.Config{Size: 2}); err != nil { // serves the waiter at once
			t.Fatal(err)
		}
		(<-got).Release()
		before := p.Stats()
		if err := p.Reconfigure(pool.Config{Size: 2}); err != nil || p.Stats() != before {
			t.Errorf("an identical configuration changed something: %v", err)
		}
		l.Release()
	})
}

func TestTheStageViewLendsTheSameWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1}, s)
		var stage pool.Lender = p
		l, err := stage.Checkout(background, pool.CheckoutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := l.Item.Worker.(*conn); !ok || c.id != 1 {
			t.Errorf("lent %v", l.Item.Worker)
		}
		stage.Return(l, pool.Suspect)
		stage.Return(l, pool.Reuse)
		stage.Return(l, pool.Destroy)
		stage.Return(pool.Loan{}, pool.Destroy)
		stage.Return(pool.Loan{Item: &pool.Item{Worker: l.Item.Worker}}, pool.Destroy)
		l, err = stage.Checkout(background, pool.CheckoutOptions{NoWait: true})
		if err != nil || s.checks.Load() != 1 {
			t.Errorf("%v, %d checks", err, s.checks.Load())
		}
		stage.Return(l, pool.Fate(77)) // what is no fate is the safe one
		synctest.Wait()
		if st := p.Stats(); st.StaleEnds != 2 || st.Destroyed != 1 || st.InUse != 0 {
			t.Errorf("%+v", st)
		}
		ctx, cancel := context.WithCancel(background)
		cancel()
		_, err = stage.Checkout(ctx, pool.CheckoutOptions{})
		wantCode(t, err, fault.Canceled)
		shut(t, p)
	})
}

func TestUncontendedBorrowingDoesNotAllocate(t *testing.T) {
	p := open(t, pool.Config{}, &server{})
	acquire(t, p).Release()
	sum := 0
	for name, borrow := range map[string]func(){
		"Acquire":  func() { acquire(t, p).Release() },
		"Checkout": func() { l, _ := p.Checkout(background, pool.CheckoutOptions{}); p.Return(l, pool.Reuse) },
		"With":     func() { _ = p.With(background, func(_ context.Context, c *conn) error { sum += c.id; return nil }) },
	} {
		if n := testing.AllocsPerRun(1000, borrow); n != 0 && !testkit.Race {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestEverySeriesExistsFromTheStart(t *testing.T) {
	p := open(t, pool.Config{Size: 3, MaxOverflow: 2}, &server{})
	collect := func() map[string]float64 {
		series := map[string]float64{}
		p.Collect(func(s telemetry.Sample) {
			name := s.Desc.Name
			if len(s.Labels) != len(s.Desc.Labels) || s.Labels[0] != "test" {
				t.Errorf("%s: labels %v", name, s.Labels)
			}
			for _, l := range s.Labels[1:] {
				name += " " + l
			}
			series[name] = s.Value
			if s.Distribution != nil {
				series[name] = float64(s.Distribution.Count())
				var sum uint64
				s.Distribution.Each(func(_, _ float64, n uint64) bool { sum += n; return true })
				if sum != s.Distribution.Count() {
					t.Errorf("%s: %d in buckets, count %d", name, sum, s.Distribution.Count())
				}
			}
		})
		return series
	}
	before := collect()
	l := acquire(t, p)
	after := collect()
	l.Release()
	if len(before) != len(after) || len(before) != 20 {
		t.Errorf("%d series, then %d", len(before), len(after))
	}
	for name, want := range map[string]float64{
		"foundation_pool_max": 5, "foundation_pool_resources used": 1, "foundation_pool_checkouts_total": 1,
		"foundation_pool_creations_total success": 1, "foundation_pool_wait_seconds": 1, "foundation_pool_create_seconds": 1,
	} {
		if after[name] != want {
			t.Errorf("%s is %v, want %v", name, after[name], want)
		}
	}
	acquire(t, p).Release()
	if got := collect(); got["foundation_pool_wait_seconds"] != 2 || got["foundation_pool_use_seconds"] != 2 {
		t.Errorf("%v", got)
	}
}

func TestAStatusSumsUpTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				l := acquire(t, p)
				time.Sleep(time.Second)
				l.Release()
			})
			synctest.Wait()
		}
		wg.Wait()
		st := p.Status()
		near := func(got, want time.Duration) bool { return got > want*98/100 && got < want*102/100 }
		if !near(st.Hold.P50, time.Second) || !near(st.Wait.P99, time.Second) || st.Wait.P50 != 0 || !near(st.Wait.Mean, time.Second) {
			t.Errorf("hold %+v, wait %+v", st.Hold, st.Wait)
		}
		if st.Stats.HoldTime != 3*time.Second || st.Stats.WaitTime != 3*time.Second {
			t.Errorf("%+v", st.Stats)
		}
	})
}

func TestNamesOfTheEnumerations(t *testing.T) {
	for text, into := range map[string]interface{ UnmarshalText([]byte) error }{
		"fifo": new(pool.Strategy), "strict": new(pool.Start),
	} {
		if err := into.UnmarshalText([]byte(text)); err != nil {
			t.Error(err)
		}
		m, ok := into.(interface{ MarshalText() ([]byte, error) })
		if got, err := m.MarshalText(); !ok || string(got) != text || err != nil {
			t.Errorf("%s, %v", got, err)
		}
		if err := into.UnmarshalText([]byte("nonsense")); err == nil {
			t.Error("nonsense was taken")
		}
	}
}

type dialOptions struct {
	Address string `yaml:"address"`
}

var errNoAddress = errors.New("no address")

func (o dialOptions) Validate() error {
	if o.Address == "" {
		return errNoAddress
	}
	return nil
}

func TestAKindChecksItsOptions(t *testing.T) {
	kind := pool.KindOf(func(dialOptions) (pool.Factory[*conn], error) { return new(server).factory(), nil })
	if _, err := kind.Open(background, "test", pool.Config{}, kind.NewOptions()); !errors.Is(err, errNoAddress) {
		t.Errorf("empty options: %v", err)
	}
	if _, err := kind.Open(background, "test", pool.Config{}, dialOptions{}); !errors.Is(err, fault.InvalidArgument) {
		t.Errorf("options that are no pointer: %v", err)
	}
	if m, err := kind.Open(background, "test", pool.Config{Size: -9}, &dialOptions{"x"}); !errors.Is(err, fault.InvalidConfig) || m != nil {
		t.Errorf("%v, %v", m, err)
	}
	m, err := kind.Open(background, "test", pool.Config{}, &dialOptions{"x"})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, m)
}

func TestWarnings(t *testing.T) {
	for field, cfg := range map[string]pool.Config{
		"size": {Size: -1}, "leak_after": {LeakAfter: time.Second}, "max_lifetime": {MaxLifetime: time.Second},
	} {
		if ws := cfg.Warnings(); len(ws) != 1 || ws[0].Field != field || !ws[0].Warning || cfg.Validate() != nil {
			t.Errorf("%s: %v", field, ws)
		}
	}
}
