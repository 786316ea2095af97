package redis_test

import (
	"context"
	"testing"
	"time"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func BenchmarkTake(b *testing.B) {
	s := redistest.Running(b, suite)
	st, err := redisstore.Open(s.URL(), redisstore.Options{Namespace: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	rule := shared.Rule{Name: "per_user", Config: ratelimit.Config{Limit: 1000, Per: time.Minute}}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if _, err := st.Take(context.Background(), rule, ratelimit.KeyOf("user", i%100000), 1); err != nil {
			b.Fatal(err)
		}
	}
}
