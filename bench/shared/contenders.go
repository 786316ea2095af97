package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/goredisstore.v9"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/internal/redistest"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

// contender decides one call of key number i.
type contender struct {
	name string
	take func(ctx context.Context, i int) (ok bool, err error)
}

const (
	ours  = "**adapters/redis**"
	first = "redis_rate" // which the ratios are of
)

// limit is of 1,000 a minute for each key: most calls are admitted, and so write.
const limit = 1000

// open returns the contenders. Each has a client of its own, with connections enough for
// every caller; those whose name says so send what is asked at once in pipelines of the
// client, which is all that their interfaces leave to tune.
func open(server *redistest.Server, keys int) ([]*contender, func(), error) {
	var closing []func() error
	client := func() *redis.Client {
		c := redis.NewClient(&redis.Options{Addr: server.Addr(), PoolSize: 512, ContextTimeoutEnabled: true, MaxRetries: -1})
		closing = append(closing, c.Close)
		return c
	}
	end := func() {
		for _, f := range closing {
			_ = f()
		}
	}
	names := make([]string, keys)
	for i := range names {
		names[i] = "user/" + strconv.Itoa(i)
	}
	store, err := redisstore.Open(server.URL(), redisstore.Options{Namespace: "bench"})
	if err != nil {
		return nil, end, err
	}
	closing = append(closing, store.Close)
	rule := shared.Rule{Name: "per_user", Config: ratelimit.Config{Limit: limit, Per: time.Minute}}
	all := []*contender{{ours, func(ctx context.Context, i int) (bool, error) {
		d, err := store.Take(ctx, rule, ratelimit.KeyOf("user", i), 1)
		return d.OK, err
	}}}
	pipelined, err := client().AutoPipeline()
	if err != nil {
		return nil, end, err
	}
	rate := redis_rate.PerMinute(limit)
	for name, l := range map[string]*redis_rate.Limiter{first: redis_rate.NewLimiter(client()), first + ", pipelined": redis_rate.NewLimiter(pipelined)} {
		all = append(all, &contender{name, func(ctx context.Context, i int) (bool, error) {
			r, err := l.Allow(ctx, names[i], rate)
			return err == nil && r.Allowed > 0, err
		}})
	}
	for name, c := range map[string]redis.UniversalClient{"throttled": client(), "throttled, pipelined": pipelined} {
		s, err := goredisstore.NewCtx(c, "throttled:")
		l, err2 := throttled.NewGCRARateLimiterCtx(s, throttled.RateQuota{MaxRate: throttled.PerMin(limit), MaxBurst: limit - 1})
		if err := errors.Join(err, err2); err != nil {
			return nil, end, err
		}
		all = append(all, &contender{name, func(ctx context.Context, i int) (bool, error) {
			limited, _, err := l.RateLimitCtx(ctx, names[i], 1)
			return !limited, err
		}})
	}
	return all, end, nil
}
