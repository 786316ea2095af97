package shared_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
	"github.com/elixirscope/foundation/telemetry"
)

var (
	errDown        = errors.New("connection refused")
	errUnavailable = fault.Unavailable
)

// faulty is a store that can be made to fail, to hang, and to be slow. It counts what it is
// asked.
type faulty struct {
	shared.Store

	takes, peeks, refunds, resets atomic.Int64

	mu   sync.Mutex
	err  error         // what calls fail with
	hang bool          // calls last as long as their context
	slow time.Duration // every call takes this long
}

func newFaulty() *faulty { return &faulty{Store: shared.NewMemoryStore(nil)} }

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hang = err, false
}

func (f *faulty) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hang = true
}

func (f *faulty) delay(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.slow = d
}

func (f *faulty) pass(ctx context.Context) error {
	f.mu.Lock()
	err, hang, slow := f.err, f.hang, f.slow
	f.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	if !clock.Sleep(ctx, slow) {
		return ctx.Err()
	}
	return err
}

func (f *faulty) Take(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	f.takes.Add(1)
	if err := f.pass(ctx); err != nil {
		return ratelimit.Decision{}, err
	}
	return f.Store.Take(ctx, rule, key, cost)
}

func (f *faulty) Peek(ctx context.Context, rule shared.Rule, key ratelimit.Key, cost int64) (ratelimit.Decision, error) {
	f.peeks.Add(1)
	if err := f.pass(ctx); err != nil {
		return ratelimit.Decision{}, err
	}
	return f.Store.Peek(ctx, rule, key, cost)
}

func (f *faulty) Refund(ctx context.Context, rule shared.Rule, key ratelimit.Key, d ratelimit.Decision) error {
	f.refunds.Add(1)
	if err := f.pass(ctx); err != nil {
		return err
	}
	return f.Store.Refund(ctx, rule, key, d)
}

func (f *faulty) Reset(ctx context.Context, rule shared.Rule, key ratelimit.Key) error {
	f.resets.Add(1)
	if err := f.pass(ctx); err != nil {
		return err
	}
	return f.Store.Reset(ctx, rule, key)
}

// hourly is a rule whose tokens do not come back within a test.
func hourly(limit int64) *ratelimit.Config {
	return &ratelimit.Config{Limit: limit, Per: time.Hour, Burst: limit, Parts: 4, MaxKeys: 1_000}
}

func ask(c *ratelimit.Config, key ratelimit.Key, cost int64) ratelimit.RemoteCall {
	return ratelimit.RemoteCall{Rule: "rule", Config: c, Key: key, Cost: cost, Now: clock.Now()}
}

// take is one call that must be decided.
func take(t *testing.T, r ratelimit.Remote, c *ratelimit.Config) ratelimit.Decision {
	t.Helper()
	d, err := r.Take(t.Context(), ask(c, user, 1))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// counters returns counters that are closed with the test.
func counters(t *testing.T, s shared.Store, o shared.Options) *shared.Counters {
	t.Helper()
	c := shared.New(s, o)
	t.Cleanup(func() {
		if err := c.Close(context.Background()); err != nil { // the context of the test has ended
			t.Log(err)
		}
	})
	return c
}

// edges records the events of a bus, in order.
type edges struct {
	bus *telemetry.Bus

	mu  sync.Mutex
	all []telemetry.Edge
}

func record(t *testing.T) *edges {
	t.Helper()
	e := &edges{bus: telemetry.NewBus()}
	_, err := e.bus.SubscribeEdges("test", func(_ context.Context, ev telemetry.Edge) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, ev)
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *edges) list() []telemetry.Edge {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]telemetry.Edge(nil), e.all...)
}
