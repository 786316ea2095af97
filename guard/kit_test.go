package guard_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

var errDown = errors.New("the dependency is down")

func newGuard(tb testing.TB, cfg guard.Config, opts ...guard.Option) *guard.Guard {
	tb.Helper()
	g, err := guard.New("checkout", cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return g
}

func newBreaker(tb testing.TB, cfg breaker.Config) *breaker.Breaker {
	tb.Helper()
	b, err := breaker.New("payments", cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func newLimit(tb testing.TB, limit int64) *ratelimit.Limiter {
	tb.Helper()
	l, err := ratelimit.New("per-user", ratelimit.Config{Limit: limit, Per: 1000 * time.Hour})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func openBreaker(tb testing.TB) *breaker.Breaker {
	tb.Helper()
	b := newBreaker(tb, breaker.Config{FailureThreshold: 1, Cooldown: time.Hour})
	p := b.Allow()
	p.Failure(errDown)
	return b
}

func succeed(context.Context) error { return nil }
func fail(context.Context) error    { return errDown }

// wait lets d pass in a bubble, with all that timers do until then.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// drive runs f in a goroutine of its own and reports how it ended, so that a
// panic and a Goexit can be looked at like any other end.
func drive(f func()) (panicked any, exited bool) {
	var wg sync.WaitGroup
	wg.Go(func() {
		returned := false
		defer func() {
			panicked = recover()
			exited = !returned && panicked == nil
		}()
		f()
		returned = true
	})
	wg.Wait()
	return panicked, exited
}

// conn is the worker of a stage.
type conn struct{ id int }

// stage is a pool that does what it is told.
type stage struct {
	mu        sync.Mutex
	answer    func(context.Context) error // before a worker is lent; may panic
	lent      map[uint64]bool
	next      uint64
	checkouts int
	discarded int
	destroyed uint64 // the generation of the last one
	suspects  int
	last      pool.CheckoutOptions
}

var _ pool.Lender = (*stage)(nil)

func newStage() *stage { return &stage{lent: make(map[uint64]bool)} }

func (s *stage) Name() string             { return "orders" }
func (s *stage) WorkerType() reflect.Type { return reflect.TypeFor[*conn]() }

func (s *stage) Checkout(ctx context.Context, o pool.CheckoutOptions) (pool.Loan, error) {
	s.mu.Lock()
	s.last = o
	s.checkouts++
	answer := s.answer
	s.mu.Unlock()
	began := time.Now()
	if answer != nil {
		if err := answer(ctx); err != nil {
			return pool.Loan{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	s.lent[s.next] = true
	return pool.Loan{Item: &pool.Item{Worker: &conn{int(s.next)}}, Generation: s.next, Waited: time.Since(began)}, nil
}

func (s *stage) Return(l pool.Loan, fate pool.Fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lent[l.Generation] {
		panic("a worker was returned that is not lent")
	}
	delete(s.lent, l.Generation)
	switch fate {
	case pool.Destroy:
		s.discarded++
		s.destroyed = l.Generation
	case pool.Suspect:
		s.suspects++
	case pool.Reuse:
	}
}

func (s *stage) out() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lent)
}

func (s *stage) says(answer func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func refuseWith(code fault.Code) func(context.Context) error {
	return func(context.Context) error {
		return fault.New(fault.Spec{Code: code, Component: "connection_pool", Name: "orders"})
	}
}

func panics(context.Context) error { panic("as told") }

func exits(context.Context) error {
	runtime.Goexit()
	return nil
}

// memory is an admitter that does what it is told.
type memory struct {
	mu     sync.Mutex
	refuse func(guard.Call) bool
	asked  []guard.Call
	word   *atomic.Uint32 // nil: it is asked each time
}

func (m *memory) Refusing() *atomic.Uint32 { return m.word }

func (m *memory) Admit(_ context.Context, c guard.Call) *fault.Error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, c)
	if m.refuse != nil && m.refuse(c) {
		return fault.New(fault.Spec{Code: fault.MemoryPressure, Component: "memory_manager"})
	}
	return nil
}

// recorder keeps what it is told.
type recorder struct {
	mu  sync.Mutex
	all []guard.Observation
}

func (r *recorder) Record(o guard.Observation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, o)
}

func wantCode(tb testing.TB, err error, code fault.Code) {
	tb.Helper()
	if !errors.Is(err, code) {
		tb.Errorf("error %v, want code %v", err, code)
	}
}
