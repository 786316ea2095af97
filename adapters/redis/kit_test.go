package redis_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/elixirscope/foundation/internal/redistest"
)

// counted is how often a server has executed a command, within scripts as well.
func counted(t *testing.T, s *redistest.Server, command string) (n int) {
	t.Helper()
	for line := range strings.Lines(redistest.Run(t, s, "INFO", "commandstats")) {
		if rest, ok := strings.CutPrefix(line, "cmdstat_"+command+":calls="); ok {
			if _, err := fmt.Sscanf(rest, "%d", &n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// hook is a user's hook of a client, which panics when told to.
type hook struct{ panics atomic.Bool }

func (*hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.panics.Load() {
			panic("rude")
		}
		return next(ctx, cmd)
	}
}

// hooked returns a client of a program's own with such a hook.
func hooked(t *testing.T, addr string) (*redis.Client, *hook) {
	t.Helper()
	client, h := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true}), &hook{}
	client.AddHook(h)
	t.Cleanup(func() { _ = client.Close() })
	return client, h
}
