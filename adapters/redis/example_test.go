package redis_test

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	redisstore "github.com/elixirscope/foundation/adapters/redis"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/ratelimit/shared"
)

func Example() { //nolint:testableexamples // it takes a Redis server, and so only has to compile
	client := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{"127.0.0.1:6379"}, ContextTimeoutEnabled: true})
	defer client.Close()
	store, err := redisstore.New(client, redisstore.Options{Namespace: "production"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	rule := shared.Rule{Name: "per_user", Config: ratelimit.Config{Limit: 100, Per: time.Minute, Burst: 20}}
	d, err := store.Take(ctx, rule, ratelimit.KeyOf("user", 42), 1)
	fmt.Println(d.OK, d.Remaining, err)
}
