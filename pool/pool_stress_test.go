package pool_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/pool"
)

// Resize, a factory that fails now and then, panics, cancellation and Close, all
// at once: nobody shares a worker, there are never too many, and nothing is left.
func TestStressEverythingAtOnce(t *testing.T) {
	for range testkit.Rounds(20) {
		stress(t)
	}
}

func stress(t *testing.T) {
	const most = 6 // workers, in any of the sizes below
	s := &server{}
	p, err := pool.New("test", pool.Config{
		Size: 4, MaxOverflow: 2, CheckoutTimeout: 20 * time.Millisecond, Backoff: time.Millisecond, BackoffMax: 2 * time.Millisecond,
		MaxLifetime: 5 * time.Millisecond, MaxIdleTime: 3 * time.Millisecond, CheckInterval: time.Millisecond, CheckAfter: time.Millisecond,
		MinIdle: 1, MaxWaiters: 16,
	}, s.factory())
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var background sync.WaitGroup
	background.Go(func() { disturb(p, s, stop) })
	var borrowers sync.WaitGroup
	for i := range 24 {
		borrowers.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 7))
			for range 400 {
				borrowSomehow(t, p, r)
			}
		})
	}
	borrowers.Wait()
	close(stop)
	background.Wait()
	if peak := s.peak.Load(); peak > most {
		t.Errorf("%d workers at one time, at most %d are allowed", peak, most)
	}
	if st := p.Stats(); st.InUse > 1 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	shut(t, p)
	if s.live.Load() != 0 || s.badlyClosed() != 0 {
		t.Errorf("%d workers left, %d not closed exactly once", s.live.Load(), s.badlyClosed())
	}
}

func disturb(p *pool.Pool[*conn], s *server, stop chan struct{}) {
	sizes := []pool.Config{{Size: 4, MaxOverflow: 2}, {Size: 1}, {Size: 6}, {Size: -1, MaxOverflow: 3}, {Size: 2, MaxOverflow: 1, Strategy: pool.FIFO}}
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			s.down.Store(false)
			return
		case <-tick.C:
		}
		s.down.Store(i%7 == 0)
		cfg := p.Config()
		next := sizes[i%len(sizes)]
		cfg.Size, cfg.MaxOverflow, cfg.Strategy, cfg.MinIdle = next.Size, next.MaxOverflow, next.Strategy, 0
		_ = p.Reconfigure(cfg)
		if i%5 == 0 {
			p.Reset()
		}
		_ = p.Status()
	}
}

var errUser = errors.New("the operation failed")

func borrowSomehow(t *testing.T, p *pool.Pool[*conn], r *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(2000))*time.Microsecond)
	defer cancel()
	defer func() { _ = recover() }()
	err := p.With(ctx, func(_ context.Context, c *conn) error {
		defer use(t, c)()
		runtime.Gosched()
		switch r.IntN(20) {
		case 0:
			panic("oops")
		case 1:
			return errUser
		}
		return nil
	})
	if f, ok := errors.AsType[*fault.Error](err); err != nil && !errors.Is(err, errUser) && !ok {
		t.Errorf("%T: %v", err, err)
	} else if ok && f.Code() == fault.Closed {
		t.Errorf("refused with %v", err)
	}
}

// A million checkouts (a share of it outside `make prove`) are cancelled at the
// moment of the hand-over: nothing is lost, and no goroutine is left.
func TestScenario74d_CancellationAtTheHandOverLosesNothing(t *testing.T) {
	rounds := 50_000
	if testkit.Proving() {
		rounds = 1_000_000
	}
	s := &server{}
	p := open(t, pool.Config{Size: 1, CheckInterval: -1}, s)
	before := runtime.NumGoroutine()
	var got, refused atomic.Int64
	for round := range rounds {
		l := acquire(t, p)
		ctx, cancel := context.WithCancel(background)
		done := make(chan struct{})
		go func() {
			defer close(done)
			l, err := p.Acquire(ctx)
			if err != nil {
				refused.Add(1)
				return
			}
			got.Add(1)
			l.Release()
		}()
		for p.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		switch round % 3 {
		case 0:
			go cancel()
			l.Release()
		case 1:
			go l.Release()
			cancel()
		default:
			go cancel()
			go l.Release()
		}
		<-done
		cancel()
	}
	for i := 0; runtime.NumGoroutine() > before && i < 1e6; i++ {
		runtime.Gosched() // the last cancel may still be ending
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, %d before", after, before)
	}
	acquire(t, p).Release() // after whoever still holds the worker of the last round
	if st := p.Stats(); st.Idle != 1 || st.InUse != 0 || st.Waiting != 0 || st.Created != 1 {
		t.Errorf("%+v", st)
	}
	t.Logf("%d handed over, %d cancelled", got.Load(), refused.Load())
}

// Linearizability: the history of many borrowers is one that a pool could have
// had that lends a worker to one borrower at a time and has no more than size +
// overflow of them.
func TestTheHistoryOfManyBorrowersIsLinearizable(t *testing.T) {
	const most = 4
	type op struct {
		acquire bool
		id      int // 0: refused with pool_full
	}
	model := porcupine.Model{
		Init: func() any { return "" }, // the sorted set of borrowed ids, as a string of bytes
		Step: func(state, input, output any) (bool, any) {
			out, in, id := state.(string), input.(op), output.(int) //nolint:forcetypeassert // the test's own values
			if !in.acquire {
				next, had := without(out, byte(in.id))
				return had, next
			}
			if id == 0 { // lends nothing; a worker may be on its way to somebody else, so fewer may be out
				return true, out
			}
			next, had := with(out, byte(id))
			return !had && len(next) <= most, next
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprint(input, output) },
	}
	for range testkit.Rounds(20) {
		p, err := pool.New("test", pool.Config{Size: 2, MaxOverflow: 2, CheckAfter: -1, CheckInterval: -1}, new(server).factory())
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var history []porcupine.Operation
		begun := time.Now()
		record := func(client int, in op, call func() int) {
			from := time.Since(begun)
			id := call()
			to := time.Since(begun)
			mu.Lock()
			defer mu.Unlock()
			history = append(history, porcupine.Operation{ClientId: client, Input: in, Call: int64(from), Output: id, Return: int64(to)})
		}
		var wg sync.WaitGroup
		for client := range 8 {
			wg.Go(func() {
				for range 25 {
					var l pool.Lease[*conn]
					record(client, op{acquire: true}, func() int {
						var err error
						if client%2 == 0 {
							l, err = p.TryAcquire(background)
						} else {
							l, err = p.Acquire(background)
						}
						if err != nil {
							return 0
						}
						return l.Value().id
					})
					if id := l.Value(); id != nil {
						runtime.Gosched()
						record(client, op{id: id.id}, func() int { l.Release(); return 0 })
					}
				}
			})
		}
		wg.Wait()
		shut(t, p)
		if result := porcupine.CheckOperationsTimeout(model, history, 20*time.Second); result == porcupine.Illegal {
			t.Fatal("the history is not that of a pool")
		} else if result == porcupine.Unknown {
			t.Fatal("the history could not be checked in time")
		}
	}
}

func with(set string, id byte) (string, bool) {
	for i := range len(set) {
		if set[i] == id {
			return set, true
		}
		if set[i] > id {
			return set[:i] + string([]byte{id}) + set[i:], false
		}
	}
	return set + string([]byte{id}), false
}

func without(set string, id byte) (string, bool) {
	for i := range len(set) {
		if set[i] == id {
			return set[:i] + set[i+1:], true
		}
	}
	return set, false
}

// One name cannot be two pools; that is the business of whoever keeps names. What
// the pool owes is that making and closing at the same time harms nobody.
func TestScenario63_ConcurrentCreateAndClose(t *testing.T) {
	s := &server{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			p, err := pool.New("test", pool.Config{Start: pool.Warm}, s.factory())
			if err != nil {
				t.Error(err)
				return
			}
			var inner sync.WaitGroup
			for range 3 {
				inner.Go(func() { shut(t, p) })
				inner.Go(func() {
					if l, err := p.Acquire(background); err == nil {
						l.Release()
					}
				})
			}
			inner.Wait()
		})
	}
	wg.Wait()
	if s.live.Load() != 0 {
		t.Errorf("%d workers left", s.live.Load())
	}
}

// In virtual time: a server that dies under 50 borrowers. Every call ends within
// its time, attempts are few, and the pool heals without being asked.
func TestStressAServerDiesUnder50Borrowers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{}
		s.delay.Store(int64(5 * time.Millisecond))
		p := open(t, pool.Config{Size: 10, CheckoutTimeout: time.Second}, s)
		defer shut(t, p)
		end := time.Now().Add(time.Minute + 30*time.Second) // the last pause of the outage may be 10 s and a part of that more
		var failed, succeeded atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				for time.Now().Before(end) {
					begun := time.Now()
					err := p.With(background, func(_ context.Context, c *conn) error {
						defer use(t, c)()
						time.Sleep(10 * time.Millisecond)
						if c.dead.Load() {
							return errDown
						}
						return nil
					})
					if d := time.Since(begun); d > 1100*time.Millisecond {
						t.Errorf("a call took %v", d)
					}
					if err != nil {
						failed.Add(1)
						if !errors.Is(err, errDown) && !errors.Is(err, fault.PoolTimeout) {
							t.Errorf("%v", err)
						}
						time.Sleep(50 * time.Millisecond)
					} else {
						succeeded.Add(1)
					}
				}
			})
		}
		time.Sleep(time.Second)
		before := s.attempt.Load()
		s.crash()
		time.Sleep(time.Minute)
		attempts := s.attempt.Load() - before
		if attempts > 10+21 { // a first round side by side, then the pauses of a minute
			t.Errorf("%d attempts in a minute of outage", attempts)
		}
		s.down.Store(false)
		back := succeeded.Load()
		wg.Wait()
		if succeeded.Load() == back || p.Degraded() != nil {
			t.Error("the pool did not heal")
		}
		t.Logf("%d attempts in a minute of outage, %d calls failed, %d succeeded", attempts, failed.Load(), succeeded.Load())
	})
}

// Borrowers that meet, part and come again open and close the lanes all the time,
// while others look at the pool, change it, and end it. A lost wakeup would leave a
// borrower without a worker until its time is over, and Close without an end.
func TestStressLanesOpenAndCloseWithoutLosingAWakeup(t *testing.T) {
	for range testkit.Rounds(5) {
		s := &server{}
		p := open(t, pool.Config{Size: 2, CheckoutTimeout: 20 * time.Second, CheckInterval: -1, CheckAfter: -1}, s)
		p.Crowd()
		stop := make(chan struct{})
		var lookers, borrowers sync.WaitGroup
		lookers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_ = p.Stats()
				if i%64 == 0 {
					_ = p.Reconfigure(pool.Config{Size: 1 + i/64%3, CheckoutTimeout: 20 * time.Second, CheckInterval: -1, CheckAfter: -1})
				}
				runtime.Gosched()
			}
		})
		for range 4 {
			borrowers.Go(func() {
				for range 20_000 {
					l := acquire(t, p)
					end := use(t, l.Value())
					end()
					l.Release()
				}
			})
		}
		borrowers.Wait()
		close(stop)
		lookers.Wait()
		shut(t, p)
		if s.live.Load() != 0 || s.badlyClosed() != 0 {
			t.Errorf("%d workers left, %d not closed exactly once", s.live.Load(), s.badlyClosed())
		}
	}
}
