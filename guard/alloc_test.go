package guard_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/internal/testkit"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

// allocates asserts how much fn allocates in the long run.
func allocates(t *testing.T, name string, most float64, fn func()) {
	t.Helper()
	fn() // what is made once
	got := testing.AllocsPerRun(200, fn)
	if !testkit.Race && got > most {
		t.Errorf("%s: %v allocations, want at most %v", name, got, most)
	}
	runtime.KeepAlive(fn)
}

func TestAllocationsOfGoodCalls(t *testing.T) {
	p := must(pool.New("orders", pool.Config{}, pool.Factory[*conn]{New: func(context.Context) (*conn, error) { return &conn{}, nil }}))
	defer func() { _ = p.Close(context.Background()) }()
	limit := must(ratelimit.New("per-user", ratelimit.Config{Limit: 1 << 30, Per: time.Second}))
	full := guard.Config{Admission: &quiet{}, Recorder: &quiet{}, Concurrency: 10, Breaker: newBreaker(t, breaker.Config{}), RateLimit: limit}
	g := newGuard(t, full)
	full.Pool = p
	db := must(guard.Bind[*conn](newGuard(t, full)))
	op := guard.Op[int]{Guard: g, Classify: func(n int, _ error) outcome.Outcome { return outcome.Outcome(n / 1000) }}
	ctx, id := t.Context(), 4711
	deadline, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	timed := newGuard(t, guard.Config{Timeout: time.Hour})
	full.Pool, full.Retry = nil, &retry.Config{}
	again := newGuard(t, full)

	// Every function captures n and writes to it: that must not move n, nor the
	// function, to the heap.
	var sum int
	allocates(t, "Do", 0, func() {
		n := 0
		_ = g.Do(ctx, func(context.Context) error { n++; return nil })
		sum += n
	})
	allocates(t, "DoCall with a key", 0, func() {
		n := 0
		_ = g.DoCall(ctx, guard.Call{Key: ratelimit.KeyOf("user", id), Op: "pay"}, func(context.Context) error { n++; return nil })
		sum += n
	})
	allocates(t, "Do[T]", 0, func() {
		n := 0
		v, _ := guard.Do(ctx, g, guard.Call{}, func(context.Context) (int, error) { n++; return n, nil })
		sum += n + v
	})
	allocates(t, "Op", 0, func() {
		n := 0
		v, _ := op.Do(ctx, guard.Call{}, func(context.Context) (int, error) { n++; return n, nil })
		sum += n + v
	})
	allocates(t, "DoWith", 0, func() {
		n := 0
		v, _ := guard.DoWith(ctx, db, guard.Call{}, func(_ context.Context, c *conn) (int, error) { n++; return c.id, nil })
		sum += n + v
	})
	allocates(t, "Do with a policy of retries", 0, func() {
		n := 0
		_ = again.DoCall(ctx, guard.Call{Idempotent: true, Target: "orders.test:80"}, func(context.Context) error { n++; return nil })
		sum += n
	})
	adaptive := newGuard(t, guard.Config{AdaptiveConcurrency: &guard.AdaptiveConcurrency{}})
	allocates(t, "Do with a bound that adapts", 0, func() {
		n := 0
		_ = adaptive.Do(ctx, func(context.Context) error { n++; return nil })
		sum += n
	})
	allocates(t, "Enter with a policy of retries", 1, func() {
		tok, _ := again.Enter(ctx, guard.Call{Idempotent: true})
		defer tok.Close()
		tok.Done(nil)
	})
	allocates(t, "Enter", 1, func() {
		tok, _ := g.Enter(ctx, guard.Call{})
		defer tok.Close()
		tok.Done(nil)
	})
	allocates(t, "a failure", 0, func() {
		_ = newFailing.Do(ctx, fail)
	})
	allocates(t, "a caller's earlier deadline", 0, func() {
		n := 0
		_ = timed.Do(deadline, func(context.Context) error { n++; return nil })
		sum += n
	})
	allocates(t, "a time limit", 4, func() {
		n := 0
		_ = timed.Do(ctx, func(context.Context) error { n++; return nil })
		sum += n
	})
	if sum == 0 {
		t.Error("nothing ran")
	}
}

var newFailing = must(guard.New("failing", guard.Config{}))

// quiet implements what a guard may be told, and allocates nothing.
type quiet struct{ asked, told int }

func (q *quiet) Refusing() *atomic.Uint32                       { return nil }
func (q *quiet) Admit(context.Context, guard.Call) *fault.Error { q.asked++; return nil }
func (q *quiet) Record(guard.Observation)                       { q.told++ }

func fullAdaptive(t *testing.T) *guard.Guard {
	t.Helper()
	g := newGuard(t, adapting(1, 1))
	t.Cleanup(must(g.Enter(t.Context(), guard.Call{})).Close)
	return g
}

func TestAllocationsOfRefusals(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name string
		g    *guard.Guard
		ctx  context.Context
		most float64
	}{
		{"an open breaker", newGuard(t, guard.Config{Breaker: openBreaker(t)}), t.Context(), 0},
		{"an open breaker, after other stages", newGuard(t, guard.Config{Breaker: openBreaker(t), RateLimit: newLimit(t, 1), Concurrency: 1}), t.Context(), 0},
		{"a rate limit", newGuard(t, guard.Config{RateLimit: newLimit(t, 1)}), t.Context(), 2},
		{"concurrency", full(t), t.Context(), 2},
		{"adaptive concurrency", fullAdaptive(t), t.Context(), 2},
		{"a done context", newGuard(t, guard.Config{}), done, 2},
	} {
		_ = tc.g.Do(tc.ctx, succeed)
		allocates(t, tc.name, tc.most, func() {
			if err := tc.g.Do(tc.ctx, succeed); err == nil {
				t.Errorf("%s does not refuse", tc.name)
			}
		})
	}
	for name, cfg := range map[string]guard.Config{
		"a breaker": {Breaker: openBreaker(t)}, "a limit": {RateLimit: newLimit(t, 1)}, "concurrency": {Concurrency: 1},
	} {
		cfg.Mode = mode.Shadow
		g := newGuard(t, cfg)
		t.Cleanup(must(g.Enter(t.Context(), guard.Call{})).Close)
		allocates(t, name+" in shadow", 0, func() {
			if err := g.Do(t.Context(), succeed); err != nil {
				t.Errorf("%s in shadow refuses: %v", name, err)
			}
		})
		if s := g.Status().WouldRefuse; s[fault.CircuitOpen]+s[fault.RateLimited]+s[fault.ConcurrencyLimited] < 200 {
			t.Errorf("%s counts %v", name, s)
		}
	}
}
