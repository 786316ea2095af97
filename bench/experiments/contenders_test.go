package experiments_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/memory"
	"github.com/elixirscope/foundation/ratelimit"
)

// caller makes one call under a protection.
type caller func(ctx context.Context, p guard.Priority, op func(context.Context) error) error

// contender is a way to protect the upstream.
type contender struct {
	name    string
	color   int  // in all figures; 0 means that it is in tables only
	notices bool // the upstream notices that a caller has left
	queues  bool // calls may wait before they are refused
	protect func(t *testing.T) caller
	shared  func(t *testing.T) caller // the same, of which bulk may use half
}

// The bounds that the contenders have where an experiment is not about the bounds.
const (
	bound = 40 // four times as many calls in flight as the upstream works on at once
	burst = 20
)

func unprotected(t *testing.T) caller {
	t.Helper()
	return func(ctx context.Context, _ guard.Priority, op func(context.Context) error) error { return op(ctx) }
}

func nothing() contender { return contender{name: "no protection", color: 1, protect: unprotected} }

// nothingNoticed is no protection of an upstream that does no work for callers that have left.
func nothingNoticed() contender {
	return contender{name: "no protection, abandoned calls dropped", color: 2, notices: true, protect: unprotected}
}

// concurrency is one guard for all calls.
func concurrency(n int) contender {
	return contender{color: 6, name: fmt.Sprintf("concurrency %d", n), protect: func(t *testing.T) caller {
		t.Helper()
		return through(newGuard(t, "upstream", guard.Config{Concurrency: n}))
	}}
}

// rateLimit is one guard and one bucket for all calls.
func rateLimit(perSecond, burst int64) contender {
	return contender{color: 5, name: fmt.Sprintf("rate limit %d/s, burst %d", perSecond, burst), protect: func(t *testing.T) caller {
		t.Helper()
		return through(newGuard(t, "upstream", guard.Config{RateLimit: newLimit(t, perSecond, burst)}))
	}}
}

func breakerOnly() contender {
	return contender{name: "breaker", color: 3, protect: func(t *testing.T) caller {
		t.Helper()
		b, err := breaker.New("upstream", breaker.Config{FailureRatio: 0.5, Cooldown: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return through(newGuard(t, "upstream", guard.Config{Breaker: b}))
	}}
}

// reserved is one guard for all calls, which bulk reaches through a guard of its own that
// has fewer places: what bulk cannot take is left for the others.
func reserved(all, bulk int) contender {
	return contender{color: 7, name: fmt.Sprintf("concurrency %d, bulk at most %d", all, bulk), protect: func(t *testing.T) caller {
		t.Helper()
		every := through(newGuard(t, "upstream", guard.Config{Concurrency: all}))
		some := through(newGuard(t, "bulk", guard.Config{Concurrency: bulk}))
		return func(ctx context.Context, p guard.Priority, op func(context.Context) error) error {
			if p != guard.Bulk {
				return every(ctx, p, op)
			}
			return some(ctx, p, func(ctx context.Context) error { return every(ctx, p, op) })
		}
	}}
}

// separate is a guard for bulk and one for all others, which know nothing of each other.
func separate(others, bulk int) contender {
	return contender{name: fmt.Sprintf("two guards, %d and for bulk %d", others, bulk), protect: func(t *testing.T) caller {
		t.Helper()
		most := through(newGuard(t, "upstream", guard.Config{Concurrency: others}))
		some := through(newGuard(t, "bulk", guard.Config{Concurrency: bulk}))
		return func(ctx context.Context, p guard.Priority, op func(context.Context) error) error {
			if p != guard.Bulk {
				return most(ctx, p, op)
			}
			return some(ctx, p, op)
		}
	}}
}

// limitedBulk is one guard for all calls, which bulk reaches through a rate limit.
func limitedBulk(all int, perSecond, burst int64) contender {
	return contender{color: 3, name: fmt.Sprintf("concurrency %d, bulk at most %d/s", all, perSecond), protect: func(t *testing.T) caller {
		t.Helper()
		every := through(newGuard(t, "upstream", guard.Config{Concurrency: all}))
		some := through(newGuard(t, "bulk", guard.Config{RateLimit: newLimit(t, perSecond, burst)}))
		return func(ctx context.Context, p guard.Priority, op func(context.Context) error) error {
			if p != guard.Bulk {
				return every(ctx, p, op)
			}
			return some(ctx, p, func(ctx context.Context) error { return every(ctx, p, op) })
		}
	}}
}

// shedByHand is one guard that asks the memory manager, and an operator who has it refuse
// bulk for a while, as `foundation memory simulate high` does.
func shedByHand(all int, after, lasting time.Duration) contender {
	return contender{color: 2, name: fmt.Sprintf("concurrency %d, bulk shed by hand", all), protect: func(t *testing.T) caller {
		t.Helper()
		// The limit is out of reach, and no files are there: nothing of this machine decides.
		m, err := memory.New(memory.Config{Limit: 1 << 50, GCInterval: -1}, memory.WithRoot(fstest.MapFS{}))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var watching sync.WaitGroup
		watching.Go(func() { _ = m.Serve(ctx) }) // it ends with its context
		t.Cleanup(func() { cancel(); watching.Wait() })
		time.AfterFunc(after, func() {
			if err := m.Simulate(memory.High, lasting, "operator", "bulk floods the upstream"); err != nil {
				t.Error(err)
			}
		})
		return through(newGuard(t, "upstream", guard.Config{Concurrency: all, Admission: byMemory{m}}))
	}}
}

// byMemory is what package foundation puts between a guard and the manager.
type byMemory struct{ *memory.Manager }

func (b byMemory) Admit(_ context.Context, c guard.Call) *fault.Error {
	return b.Manager.Admit(c.Priority, 0)
}

// failsafeAdaptive is the adaptive limiter of failsafe-go with its defaults: no queue, and a
// limit that follows the latency. A call that was cut off does not count for it, as in its executor.
func failsafeAdaptive() contender {
	return contender{name: "failsafe-go adaptive limiter", color: 8, protect: func(t *testing.T) caller {
		t.Helper()
		limiter := adaptivelimiter.NewWithDefaults[any]()
		return func(ctx context.Context, _ guard.Priority, op func(context.Context) error) error {
			permit, ok := limiter.TryAcquirePermit()
			if !ok {
				return adaptivelimiter.ErrExceeded
			}
			if err := op(ctx); err != nil {
				permit.Drop()
				return err
			}
			permit.Record()
			return nil
		}
	}}
}

func through(g *guard.Guard) caller {
	return func(ctx context.Context, p guard.Priority, op func(context.Context) error) error {
		return g.DoCall(ctx, guard.Call{Priority: p}, op)
	}
}

// newGuard makes a guard with the time limit that callers have, too.
func newGuard(t *testing.T, name string, cfg guard.Config) *guard.Guard {
	t.Helper()
	cfg.Timeout = deadline
	g, err := guard.New(name, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func newLimit(t *testing.T, perSecond, burst int64) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New("upstream", ratelimit.Config{Limit: perSecond, Burst: burst})
	if err != nil {
		t.Fatal(err)
	}
	return l
}
