package guard_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/clock"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

func both(b *testing.B, name string, fn func()) {
	b.Run(name+"/serial", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fn()
		}
	})
	b.Run(name+"/parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				fn()
			}
		})
	})
}

func BenchmarkDo(b *testing.B) {
	ctx := context.Background()
	br := must(breaker.New("payments", breaker.Config{}))
	limit := must(ratelimit.New("per-user", ratelimit.Config{Limit: 1_000_000_000, Per: time.Hour}))
	key := ratelimit.KeyOf("user", 17)
	for _, bc := range []struct {
		name string
		cfg  guard.Config
	}{
		{"nothing", guard.Config{}},
		{"concurrency", guard.Config{Concurrency: 1000}},
		{"adaptive concurrency", guard.Config{AdaptiveConcurrency: &guard.AdaptiveConcurrency{}}},
		{"memory", guard.Config{Admission: &memory{word: new(atomic.Uint32)}}},
		{"breaker", guard.Config{Breaker: br}},
		{"breaker+retry", guard.Config{Breaker: br, Retry: &retry.Config{}}},
		{"limit", guard.Config{RateLimit: limit}},
		{"limit+breaker", guard.Config{Breaker: br, RateLimit: limit}},
		{"limit+breaker+timeout", guard.Config{Breaker: br, RateLimit: limit, Timeout: time.Second}},
	} {
		g := must(guard.New("checkout", bc.cfg))
		both(b, bc.name, func() {
			var n int
			err := g.DoCall(ctx, guard.Call{Key: key, Idempotent: true}, func(context.Context) error { n++; return nil })
			if err != nil || n != 1 {
				b.Error(err)
			}
		})
	}
	workers := must(pool.New("orders", pool.Config{Size: 8}, pool.Factory[*conn]{New: func(context.Context) (*conn, error) { return &conn{}, nil }}))
	defer func() { _ = workers.Close(ctx) }()
	db := must(guard.Bind[*conn](must(guard.New("orders", guard.Config{Breaker: br, RateLimit: limit, Pool: workers}))))
	both(b, "limit+pool+breaker", func() {
		_, err := guard.DoWith(ctx, db, guard.Call{Key: key}, func(_ context.Context, c *conn) (int, error) { return c.id, nil })
		if err != nil {
			b.Error(err)
		}
	})
	g := must(guard.New("checkout", guard.Config{}))
	both(b, "enter", func() {
		tok, err := g.Enter(ctx, guard.Call{})
		if err != nil {
			b.Error(err)
		}
		tok.Done(nil)
	})
	now := clock.Now()
	both(b, "clock", func() { clock.Now() })
	both(b, "parts/limit", func() {
		var d ratelimit.Decision
		_, _ = limit.Admit(ctx, &d, now, &key, 1, -1)
	})
	both(b, "parts/breaker", func() { p := br.AllowAt(1); p.SettleAt(2, outcome.Success, nil) })
}

func BenchmarkDoHedged(b *testing.B) {
	ctx := context.Background()
	call := guard.Call{Idempotent: true}
	for name, cfg := range map[string]guard.Config{
		"no hedge":               {},
		"not hedged in the time": {Hedge: after(time.Second, 1)},
		"too few samples":        {Hedge: by(99)},
	} {
		g := newGuard(b, cfg)
		both(b, name, func() {
			if _, err := guard.DoHedged(ctx, g, call, func(context.Context) (int, error) { return 1, nil }); err != nil {
				b.Error(err)
			}
		})
	}
}

func BenchmarkRefusal(b *testing.B) {
	ctx := context.Background()
	for name, cfg := range map[string]guard.Config{
		"breaker":     {Breaker: openBreaker(b), RateLimit: newLimit(b, 1)},
		"limit":       {RateLimit: newLimit(b, 1)},
		"shadow":      {RateLimit: newLimit(b, 1), Mode: mode.Shadow},
		"concurrency": {Concurrency: 1},
	} {
		g := newGuard(b, cfg)
		if cfg.Concurrency > 0 {
			b.Cleanup(must(g.Enter(ctx, guard.Call{})).Close)
		}
		_ = g.Do(ctx, succeed)
		both(b, name, func() { _ = g.Do(ctx, succeed) })
	}
}
