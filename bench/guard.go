package main

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/jackc/puddle/v2"
	"github.com/sony/gobreaker/v2"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
)

// protection is what a call passes through.
type protection struct {
	pool    bool
	timeout time.Duration
	scarce  bool // the limit refuses all but the first call of a key
}

// caller runs op for a key.
type caller func(key string, op func(context.Context) error) error

type guardKind struct {
	name string
	make func(p protection) (caller, func())
}

func guardScenarios() []scenario {
	var all []scenario
	add := func(name string, workers, keys int, p protection, kinds ...guardKind) {
		s := scenario{name: "guard/" + name, workers: workers, ours: guardLoop(ourGuard, keys, p)}
		for _, kind := range kinds {
			s.peers = append(s.peers, guardLoop(kind, keys, p))
		}
		all = append(all, s)
	}
	for _, m := range modes() {
		add("limit+breaker/one-key/"+m.name, m.workers, 1, protection{}, glue, failsafeStack)
		add("limit+pool+breaker/one-key/"+m.name, m.workers, 1, protection{pool: true}, glue)
		add("refused-by-limit/one-key/"+m.name, m.workers, 1, protection{scarce: true}, glue, failsafeStack)
	}
	add("limit+breaker/1024-keys/parallel", parallel(), 1024, protection{}, glue)
	add("limit+breaker/100k-keys/parallel", parallel(), 100_000, protection{}, glue)
	add("limit+breaker+timeout/one-key/serial", 1, 1, protection{timeout: time.Second}, glue, failsafeStack)
	add("limit+pool+breaker/unlike:peer-has-a-bulkhead-for-a-pool/serial", 1, 1, protection{pool: true}, failsafeStack)
	for _, workers := range []int{2 * parallel(), 8 * parallel(), 64 * parallel()} {
		name := map[int]string{2: "2", 8: "8", 64: "64"}[workers/parallel()]
		add("limit+breaker/1024-keys/"+name+"-goroutines-a-core", workers, 1024, protection{}, glue)
	}
	return all
}

// guardLoop makes calls whose operation writes to a variable outside of it, as
// the operations of users do.
func guardLoop(kind guardKind, keys int, p protection) contender {
	return contender{name: kind.name, start: func() (loop, func()) {
		call, stop := kind.make(p)
		for _, key := range manyKeys()[:keys] {
			_ = call(key, func(context.Context) error { return nil })
		}
		return func(_, n int) {
			ran := 0
			each(keys, n, func(key string) {
				err := call(key, func(context.Context) error {
					ran++
					return nil
				})
				if (err != nil) != p.scarce {
					panic(err)
				}
			})
			if (ran == n) == p.scarce {
				panic("the guard answered otherwise than it was set up to")
			}
		}, stop
	}}
}

var ourGuard = guardKind{"ours", func(p protection) (caller, func()) {
	limits := ratelimit.Config{Limit: plenty, Per: time.Second, MaxKeys: 2_000_000}
	if p.scarce {
		limits.Limit, limits.Per = 1, time.Hour
	}
	cfg := guard.Config{
		Breaker:   must(breaker.New("bench", countRule())),
		RateLimit: must(ratelimit.New("bench", limits)),
		Timeout:   p.timeout,
	}
	ctx := context.Background()
	if !p.pool {
		g := must(guard.New("bench", cfg))
		return func(key string, op func(context.Context) error) error {
			return g.DoCall(ctx, guard.Call{Key: ratelimit.KeyOf(key)}, op)
		}, nil
	}
	workers := must(pool.New("bench", pool.Config{Size: 8}, pool.Funcs[*resource]{
		Make: func(context.Context) (*resource, error) { return newResource() },
	}))
	cfg.Pool = workers
	bound := must(guard.Bind[*resource](must(guard.New("bench", cfg))))
	return func(key string, op func(context.Context) error) error {
		_, err := guard.DoWith(ctx, bound, guard.Call{Key: ratelimit.KeyOf(key)}, func(ctx context.Context, _ *resource) (struct{}, error) {
			return struct{}{}, op(ctx)
		})
		return err
	}, func() { _ = workers.Close(ctx) }
}}

var errLimited = errors.New("rate limited")

// glue is what one writes by hand of gobreaker, x/time/rate in a map and, for a
// pool, puddle.
var glue = guardKind{"glue", func(p protection) (caller, func()) {
	allow, _ := xTimeMap.make(p.scarce)
	cb := gobreaker.NewCircuitBreaker[struct{}](fixedWindow())
	background := context.Background()
	protect := func(key string, op func(context.Context) error) error {
		if !allow(key) {
			return errLimited
		}
		_, err := cb.Execute(func() (struct{}, error) {
			ctx := background
			if p.timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, p.timeout)
				defer cancel()
			}
			return struct{}{}, op(ctx)
		})
		return err
	}
	if !p.pool {
		return protect, nil
	}
	workers := must(puddle.NewPool(&puddle.Config[*resource]{
		Constructor: func(context.Context) (*resource, error) { return newResource() },
		Destructor:  func(*resource) {},
		MaxSize:     8,
	}))
	return func(key string, op func(context.Context) error) error {
		return protect(key, func(ctx context.Context) error {
			r, err := workers.Acquire(ctx)
			if err != nil {
				return err
			}
			defer r.Release()
			return op(ctx)
		})
	}, workers.Close
}}

// failsafeStack has one bucket for all keys, since its limiter knows none: it
// stands only beside scenarios of one key.
var failsafeStack = guardKind{"failsafe", func(p protection) (caller, func()) {
	rl := ratelimiter.NewBurstyBuilder[any](plenty, time.Second)
	if p.scarce {
		rl = ratelimiter.NewBurstyBuilder[any](1, time.Hour)
	}
	policies := []failsafe.Policy[any]{rl.WithMaxWaitTime(0).Build()}
	if p.pool {
		policies = append(policies, bulkhead.New[any](8))
	}
	policies = append(policies, failsafeWindow().Build())
	if p.timeout > 0 {
		policies = append(policies, timeout.New[any](p.timeout))
	}
	executor := failsafe.With(policies...)
	return func(_ string, op func(context.Context) error) error {
		return executor.RunWithExecution(func(e failsafe.Execution[any]) error { return op(e.Context()) })
	}, nil
}}
