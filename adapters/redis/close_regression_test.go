package redis_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/ratelimit"
)

// hanging is a hook by which a server never answers. It counts the exchanges that had any time.
type hanging struct{ asked atomic.Int64 }

func (*hanging) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*hanging) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *hanging) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, _ redis.Cmder) error {
		if ctx.Err() == nil {
			h.asked.Add(1)
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

// Close waits for the store's timeout, not for as long for each batch that is queued.
func TestRegression_CloseOfAStoreThatHangs(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", ContextTimeoutEnabled: true})
	defer client.Close()
	var h hanging
	client.AddHook(&h)
	s, err := redisstore.New(client, redisstore.Options{Namespace: "hangs", Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var begun, group sync.WaitGroup
	for i := range 4000 {
		begun.Add(1)
		group.Go(func() {
			begun.Done()
			if _, err := s.Take(ctx, hourly(1), ratelimit.KeyOf(i), 1); err == nil {
				t.Error("a call was decided")
			}
		})
	}
	begun.Wait()
	before := h.asked.Load()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	if n := h.asked.Load() - before; n > 4 {
		t.Errorf("after the beginning of Close %d batches were waited for", n)
	}
}
