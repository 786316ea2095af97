package pool_test

import (
	"context"
	"testing"

	"github.com/elixirscope/foundation/pool"
)

func plain(b *testing.B, cfg pool.Config) *pool.Pool[int] {
	b.Helper()
	p, err := pool.New("bench", cfg, pool.Factory[int]{New: func(context.Context) (int, error) { return 1, nil }})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = p.Close(context.Background()) })
	return p
}

func BenchmarkAcquireRelease(b *testing.B) {
	p := plain(b, pool.Config{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		l, err := p.Acquire(ctx)
		if err != nil {
			b.Fatal(err)
		}
		l.Release()
	}
}

func BenchmarkCheckoutCheckin(b *testing.B) {
	p := plain(b, pool.Config{})
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		l, err := p.Checkout(ctx, pool.CheckoutOptions{})
		if err != nil {
			b.Fatal(err)
		}
		p.Return(l, pool.Reuse)
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	p := plain(b, pool.Config{Size: 64})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			l, err := p.Acquire(ctx)
			if err != nil {
				b.Fatal(err)
			}
			l.Release()
		}
	})
}

func BenchmarkWaiters64On4(b *testing.B) {
	p := plain(b, pool.Config{Size: 4})
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for pb.Next() {
			l, err := p.Acquire(ctx)
			if err != nil {
				b.Fatal(err)
			}
			l.Release()
		}
	})
}

func BenchmarkWith(b *testing.B) {
	p := plain(b, pool.Config{})
	ctx := context.Background()
	b.ReportAllocs()
	sum := 0
	for b.Loop() {
		if err := p.With(ctx, func(_ context.Context, v int) error { sum += v; return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
