package pool_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

// hostile is a context whose methods end the caller's goroutine or panic.
type hostile struct {
	context.Context
	done, err func()
}

func (h *hostile) Done() <-chan struct{} {
	if h.done != nil {
		h.done()
	}
	return h.Context.Done()
}

func (h *hostile) Err() error {
	if h.err != nil {
		h.err()
	}
	return h.Context.Err()
}

func panics() { panic("oops") }

// after returns a function that does nothing n times and then end.
func after(n int, end func()) func() {
	return func() {
		if n--; n < 0 {
			end()
		}
	}
}

// alone runs fn in a goroutine of its own, which it may end as it likes.
func alone(fn func()) {
	var wg sync.WaitGroup
	wg.Go(func() {
		defer func() { _ = recover() }()
		fn()
	})
	wg.Wait()
}

// A context may come from anywhere. One that panics while its borrower waits, or
// checks a worker, must cost the pool nothing.
func TestAContextThatPanicsKeepsNoWorker(t *testing.T) {
	for about, end := range map[string]func(){"panic": panics, "goexit": runtime.Goexit} {
		for calls := range 4 {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, pool.Config{Size: 1, CheckAfter: time.Millisecond, CheckInterval: -1}, &server{})
				waits, checks, fails := &hostile{Context: t.Context()}, &hostile{Context: t.Context()}, &hostile{Context: t.Context()}
				waits.done = after(calls, end)
				checks.done = end // always: package context itself calls it from a timer, once it has a child
				fails.err = after(calls, end)
				l := acquire(t, p)
				time.AfterFunc(time.Second, func() { l.Release() })
				alone(func() {
					if l, err := p.Acquire(waits); err == nil {
						l.Release()
					}
				})
				time.Sleep(time.Minute)
				for _, ctx := range []context.Context{checks, fails} {
					alone(func() {
						if l, err := p.Acquire(ctx); err == nil {
							l.Suspect()
						}
					})
					time.Sleep(time.Minute)
				}
				if st := p.Stats(); st.InUse != 0 || st.Waiting != 0 {
					t.Errorf("%s at call %d: %+v", about, calls, st)
				}
				acquire(t, p).Release()
				shut(t, p)
			})
		}
	}
}

// Two pools of one type are two pools: a loan of one means nothing to the other.
func TestALoanOfAnotherPoolIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := open(t, pool.Config{Size: 1}, &server{}), open(t, pool.Config{Size: 1}, &server{})
		for about, end := range map[string]func(*pool.Pool[*conn], pool.Loan){
			"reuse":   func(p *pool.Pool[*conn], l pool.Loan) { p.Return(l, pool.Reuse) },
			"destroy": func(p *pool.Pool[*conn], l pool.Loan) { p.Return(l, pool.Destroy) },
		} {
			loan, err := a.Checkout(background, pool.CheckoutOptions{})
			if err != nil {
				t.Fatal(err)
			}
			stale := b.Stats().StaleEnds
			end(b, loan)
			if st := b.Stats(); st.InUse != 0 || st.Idle != 0 || st.StaleEnds != stale+1 {
				t.Errorf("%s: the other pool: %+v", about, st)
			}
			if st := a.Stats(); st.InUse != 1 {
				t.Errorf("%s: its own pool: %+v", about, st)
			}
			a.Return(loan, pool.Reuse)
			if st := a.Stats(); st.InUse != 0 || st.Idle != 1 || st.Destroyed != 0 {
				t.Errorf("%s: its own pool, afterwards: %+v", about, st)
			}
		}
		shut(t, a)
		shut(t, b)
	})
}

// What Acquire says of a context's deadline holds also for one that has passed.
func TestADeadlineThatHasPassedIsATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, pool.Config{Size: 1}, &server{})
		defer shut(t, p)
		ctx, cancel := context.WithDeadline(background, time.Now().Add(-time.Second))
		defer cancel()
		for about, borrow := range map[string]func(context.Context) error{
			"Acquire":    func(ctx context.Context) error { _, err := p.Acquire(ctx); return err },
			"TryAcquire": func(ctx context.Context) error { _, err := p.TryAcquire(ctx); return err },
			"With": func(ctx context.Context) error {
				return p.With(ctx, func(context.Context, *conn) error { t.Error("it ran"); return nil })
			},
			"Checkout": func(ctx context.Context) error { _, err := p.Checkout(ctx, pool.CheckoutOptions{}); return err },
		} {
			before := p.Stats()
			err := borrow(ctx)
			wantCode(t, err, fault.PoolTimeout)
			if st := p.Stats(); !errors.Is(err, context.DeadlineExceeded) || st.Timeouts != before.Timeouts+1 || st.Canceled != before.Canceled {
				t.Errorf("%s: %v; %+v", about, err, st)
			}
			gaveUp, giveUp := context.WithCancel(background)
			giveUp()
			wantCode(t, borrow(gaveUp), fault.Canceled)
			if st := p.Stats(); st.Canceled != before.Canceled+1 || st.Attempts != 0 {
				t.Errorf("%s: %+v", about, st)
			}
		}
	})
}

// touchy is an error that must not be looked into.
type touchy struct{}

func (touchy) Error() string { return "touchy" }
func (touchy) Is(error) bool { panic("Is was called") }
func (touchy) Unwrap() error { panic("Unwrap was called") }
func (touchy) As(any) bool   { panic("As was called") }

// The errors of a factory are passed on and not looked into, least of all under the
// lock of the pool.
func TestTheErrorsOfAFactoryAreNotLookedInto(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		p, err := pool.New("test", pool.Config{Size: 1, CheckAfter: -1, CheckInterval: time.Minute}, pool.Factory[int]{
			New: func(context.Context) (int, error) {
				if down.Load() {
					return 0, touchy{}
				}
				return 1, nil
			},
			Check: func(context.Context, int) error { return touchy{} },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, p)
		l, err := p.Acquire(background)
		if err != nil {
			t.Fatal(err)
		}
		l.Release()
		down.Store(true)
		time.Sleep(2 * time.Minute) // checks in the background
		synctest.Wait()
		if _, err := p.Acquire(background); err == nil {
			t.Error("a worker was made")
		}
		if st := p.Status(); st.Stats.BadChecks != 1 || st.LastError.Error() != "touchy" {
			t.Errorf("%+v", st)
		}
	})
}
