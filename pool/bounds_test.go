package pool_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/telemetry"
)

func TestTheBoundsOfSettings(t *testing.T) {
	const most = pool.MaxWorkers
	for about, cfg := range map[string]pool.Config{
		"as many as may be": {Size: most}, "as many waiters": {MaxWaiters: most}, "as much overflow": {Size: -1, MaxOverflow: most},
		"as many together": {Size: most / 2, MaxOverflow: most / 2}, "all of the lifetime": {LifetimeJitter: 1, MaxLifetime: time.Hour},
		"a constant back-off": {Backoff: time.Second, BackoffMax: time.Second}, "the default back-off, constant": {BackoffMax: pool.DefaultBackoff},
		"all idle": {Size: 3, MinIdle: 3}, "no overflow": {MaxOverflow: -1},
	} {
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s: %v", about, err)
		}
	}
	for about, cfg := range map[string]pool.Config{
		"one more": {Size: most + 1}, "one waiter more": {MaxWaiters: most + 1}, "one more overflow": {Size: -1, MaxOverflow: most + 1},
		"one more together": {Size: most/2 + 1, MaxOverflow: most / 2}, "more than the lifetime": {LifetimeJitter: 1.01, MaxLifetime: time.Hour},
		"a back-off that shrinks":      {Backoff: time.Second, BackoffMax: time.Second - 1},
		"one shorter than the default": {BackoffMax: pool.DefaultBackoff - 1}, "more idle than there are": {Size: 3, MinIdle: 4},
		"less than none": {Size: -2}, "less than no overflow": {MaxOverflow: -2},
	} {
		if cfg.Validate() == nil {
			t.Errorf("%s: it is legal", about)
		}
	}
	for about, c := range map[string]struct {
		cfg  pool.Config
		warn bool
	}{
		"leaks as soon as a checkout times out": {pool.Config{LeakAfter: pool.DefaultCheckoutTimeout}, true},
		"leaks later":                           {pool.Config{LeakAfter: pool.DefaultCheckoutTimeout + 1}, false},
		"no leaks":                              {pool.Config{}, false},
		"a life shorter than the making":        {pool.Config{MaxLifetime: pool.DefaultCreateTimeout - 1}, true},
		"a life as long as the making":          {pool.Config{MaxLifetime: pool.DefaultCreateTimeout}, false},
		"as many again":                         {pool.Config{Size: 3, MaxOverflow: 3}, false},
	} {
		if got := len(c.cfg.Warnings()) > 0; got != c.warn {
			t.Errorf("%s: warned %v", about, got)
		}
	}
}

// A size that is no size is told of once, under its own name, and by its own bound.
func TestAFaultOfASizeIsToldOnce(t *testing.T) {
	const most = pool.MaxWorkers
	for field, cfg := range map[string]pool.Config{
		"size": {Size: most + 1}, "max_overflow": {MaxOverflow: most + 1}, "max_waiters": {MaxWaiters: -1, Size: most, MaxOverflow: 1}, "min_idle": {MinIdle: -1},
	} {
		f, _ := errors.AsType[*fault.Error](cfg.Validate())
		ps := f.Problems()
		if len(ps) != 1 || ps[0].Field != field || field != "min_idle" && !strings.HasPrefix(ps[0].Message, "use 0 to ") {
			t.Errorf("%s: %+v", field, ps)
		}
	}
}

// A check in the background has a second, unless the settings say otherwise.
func TestACheckHasItsDefaultTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, has := &server{}, time.Duration(0)
		f := s.factory()
		f.Check = func(ctx context.Context, _ *conn) error {
			end, _ := ctx.Deadline()
			has = time.Until(end)
			return nil
		}
		p, err := pool.New("test", pool.Config{Size: 1}, f)
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		acquire(t, p).Release()
		later(30 * time.Second)
		if has != time.Second {
			t.Errorf("it has %v", has)
		}
	})
}

// The pause doubles from backoff to backoff_max, each cut by up to a half.
func TestThePauseDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := telemetry.NewBus()
		failures := heard[pool.WorkerFailed](t, bus)
		s := &server{}
		s.down.Store(true)
		p := open(t, pool.Config{Size: 1, Backoff: time.Second, BackoffMax: 5 * time.Second}, s, pool.WithBus(bus))
		defer shut(t, p)
		_, _ = p.Acquire(background)
		time.Sleep(time.Minute)
		synctest.Wait()
		got := failures()
		if len(got) < 6 {
			t.Fatalf("%d attempts", len(got))
		}
		for i, e := range got {
			full := min(time.Second<<min(i, 10), 5*time.Second)
			if e.Failures != i+1 || e.Pause > full || e.Pause < full/2 {
				t.Errorf("after %d failures a pause of %v, want %v to %v", e.Failures, e.Pause, full/2, full)
			}
		}
	})
}

// The reserve is within the size: overflow is for borrowers.
func TestTheReserveIsWithinTheSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, MaxOverflow: 2, MinIdle: 2}, s)
		defer shut(t, p)
		l := acquire(t, p)
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.InUse != 1 || s.peak.Load() != 2 {
			t.Errorf("%d at one time, %+v", s.peak.Load(), st)
		}
		l.Release()
	})
}

// A worker that outlived its lifetime because no other could be made is not lent any
// more once they can.
func TestAnOldWorkerIsNotLentOnceOthersCanBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{
			Size: 2, MinIdle: 2, Strategy: pool.FIFO, MaxLifetime: time.Minute, LifetimeJitter: -1, CheckAfter: -1, CheckInterval: -1,
			Backoff: 10 * time.Second, BackoffMax: 10 * time.Second,
		}, s)
		defer shut(t, p)
		old, other := acquire(t, p), acquire(t, p)
		time.Sleep(30 * time.Second)
		old.Release()
		s.down.Store(true)
		other.Destroy()
		time.Sleep(31 * time.Second) // past the lifetime
		synctest.Wait()
		if st := p.Stats(); st.Idle != 1 || st.Failures == 0 {
			t.Fatalf("the old one is gone: %+v", st)
		}
		s.down.Store(false)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		l := acquire(t, p)
		if l.Value().id == old.Value().id {
			t.Error("it was lent")
		}
		l.Release()
	})
}

// An alarm that was set by an outage before rings too early for the present one. It must
// not be the last: with nobody asking, no other would make the attempt.
func TestAnOutageSoonAfterAnotherIsRecoveredFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var attempts atomic.Int32
		p, err := pool.New("test", pool.Config{Size: 2, Backoff: 10 * time.Second, CheckInterval: -1}, pool.Factory[int32]{
			New: func(context.Context) (int32, error) {
				n := attempts.Add(1)
				switch n {
				case 1:
					time.Sleep(time.Millisecond) // while the second has begun as well
					return 0, errDown
				case 2:
					time.Sleep(time.Second)
				case 3:
					time.Sleep(time.Until(begun.Add(4900 * time.Millisecond)))
					return 0, errDown
				}
				return n, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		for range 2 {
			go func() {
				if l, err := p.Acquire(background); err == nil {
					time.Sleep(4 * time.Second)
					l.Destroy()
				}
			}()
		}
		time.Sleep(6 * time.Second)
		if p.Degraded() == nil {
			t.Fatalf("%+v", p.Stats())
		}
		time.Sleep(30 * time.Second)
		if st := p.Stats(); p.Degraded() != nil || st.Idle != 1 || st.Attempts != 4 {
			t.Errorf("%v, %+v", p.Degraded(), st)
		}
	})
}
