package pool_test

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/pool"
)

var errRefused = errors.New("dial tcp 192.0.2.1:5432: i/o timeout")

// Whoever starts strictly wants to know why no worker can be made, also when the
// making takes all of its time.
func TestAStrictStartThatTimesOutSaysWhy(t *testing.T) {
	for about, make1 := range map[string]func(context.Context) (int, error){
		"obeys": func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, errRefused },
		"one hangs, others fail": func() func(context.Context) (int, error) {
			var n atomic.Int32
			return func(ctx context.Context) (int, error) {
				if n.Add(1) == 1 {
					time.Sleep(time.Hour)
				}
				return 0, errRefused
			}
		}(),
	} {
		synctest.Test(t, func(t *testing.T) {
			begun := time.Now()
			_, err := pool.New("orders", pool.Config{Start: pool.Strict, Size: 3, CreateTimeout: 10 * time.Second}, pool.Factory[int]{New: make1})
			wantCode(t, err, fault.WorkerFailed)
			if !errors.Is(err, errRefused) {
				t.Errorf("%s: the cause is lost: %v", about, err)
			}
			if took := time.Since(begun); took > 11*time.Second {
				t.Errorf("%s: it took %v", about, took)
			}
			time.Sleep(2 * time.Hour) // until the factory that hangs has returned
		})
	}
}

func TestAStrictStartDoesNotWaitForAFactoryThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var closed atomic.Int32
		_, err := pool.New("orders", pool.Config{Start: pool.Strict, Size: 1, CreateTimeout: 10 * time.Second}, pool.Factory[int]{
			New:   func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil },
			Close: func(int) { closed.Add(1) },
		})
		wantCode(t, err, fault.WorkerFailed)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if took := time.Since(begun); took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Hour)
		if closed.Load() != 1 {
			t.Error("the worker that came too late was not closed")
		}
	})
}

// The context of Open bounds the start of a pool of a kind.
func TestTheContextOfAKindsOpenBoundsTheStart(t *testing.T) {
	for about, make1 := range map[string]func(context.Context) (int, error){
		"a factory that hangs":               func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() },
		"a factory that ignores its context": func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil },
	} {
		synctest.Test(t, func(t *testing.T) {
			kind := pool.KindOf(func(struct{}) (pool.Factory[int], error) { return pool.Factory[int]{New: make1}, nil })
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			begun := time.Now()
			_, err := kind.Open(ctx, "orders", pool.Config{Start: pool.Strict}, kind.NewOptions())
			wantCode(t, err, fault.WorkerFailed)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 2*time.Second {
				t.Errorf("%s: after %v: %v", about, time.Since(begun), err)
			}
			canceled, giveUp := context.WithCancel(background)
			giveUp()
			_, err = kind.Open(canceled, "orders", pool.Config{Start: pool.Strict}, kind.NewOptions())
			wantCode(t, err, fault.Canceled)
			time.Sleep(2 * time.Hour) // until the factory has returned
		})
	}
}

// Where the context ended the start, its cause is the error's.
func TestAStartThatItsContextEndsSaysItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kind := pool.KindOf(func(struct{}) (pool.Factory[int], error) {
			return pool.Factory[int]{New: func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil }}, nil
		})
		cause := errors.New("the deployment has no more time")
		ctx, cancel := context.WithTimeoutCause(background, time.Second, cause)
		defer cancel()
		_, err := kind.Open(ctx, "orders", pool.Config{Start: pool.Strict}, kind.NewOptions())
		wantCode(t, err, fault.WorkerFailed)
		if !errors.Is(err, cause) {
			t.Errorf("it says %v", err)
		}
		time.Sleep(2 * time.Hour) // until the factory has returned
	})
}

// The pause doubles up to the greatest and no further: an overflow would panic
// under the lock of the pool.
func TestTheBackoffDoesNotOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts atomic.Int32
		p, err := pool.New("test", pool.Config{Size: 1, Backoff: math.MaxInt64/2 + 1, BackoffMax: math.MaxInt64}, pool.Factory[int]{
			New: func(context.Context) (int, error) { attempts.Add(1); return 0, errDown },
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Acquire(background)
		wantCode(t, err, fault.WorkerFailed)
		time.Sleep(time.Until(p.Status().RetryAt))
		synctest.Wait()
		if st := p.Status(); st.Failures != 2 || attempts.Load() != 2 {
			t.Errorf("%d attempts, %+v", attempts.Load(), st)
		}
		shut(t, p)
	})
}

func TestNilsAreRefused(t *testing.T) {
	kind := pool.KindOf(func(dialOptions) (pool.Factory[*conn], error) { return new(server).factory(), nil })
	for about, open := range map[string]func() (pool.Managed, error){
		"options": func() (pool.Managed, error) {
			return kind.Open(background, "test", pool.Config{}, (*dialOptions)(nil))
		},
		"no options": func() (pool.Managed, error) { return kind.Open(background, "test", pool.Config{}, nil) },
		"a kind without a function": func() (pool.Managed, error) {
			return pool.KindOf[*conn, dialOptions](nil).Open(background, "test", pool.Config{}, &dialOptions{"x"})
		},
	} {
		if m, err := open(); !errors.Is(err, fault.InvalidArgument) || m != nil {
			t.Errorf("%s: %v, %v", about, m, err)
		}
	}
	if _, err := pool.New("test", pool.Config{}, pool.Factory[*conn]{Check: new(server).check}); !errors.Is(err, fault.InvalidConfig) {
		t.Errorf("a factory that makes nothing: %v", err)
	}
}

// A strict start makes a worker, whatever overflow there may be beside the size.
func TestAStrictStartMakesAWorkerBesideOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		p := open(t, pool.Config{Size: 1, MaxOverflow: 1, Start: pool.Strict}, s)
		if s.live.Load() != 1 {
			t.Errorf("%d workers", s.live.Load())
		}
		shut(t, p)
		s.down.Store(true)
		_, err := pool.New("test", pool.Config{Size: 1, MaxOverflow: 1, Start: pool.Strict}, s.factory())
		wantCode(t, err, fault.WorkerFailed)
	})
}
