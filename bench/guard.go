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

// caller makes one call for a key, whose operation counts in ran, as the
// operations of users write to variables outside of them. Each kind of guard
// makes the operation's closure itself: passed through a function value it would
// move to the heap, whoever runs it.
type caller func(key string, ran *int) error

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
		add("refused-by-limit/unlike:peers-do-not-say-when-or-why/"+m.name, m.workers, 1, protection{scarce: true}, glue, failsafeStack)
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

func guardLoop(kind guardKind, keys int, p protection) contender {
	return contender{name: kind.name, start: func() (loop, func()) {
		call, stop := kind.make(p)
		var ran int
		for _, key := range manyKeys()[:keys] {
			_ = call(key, &ran)
		}
		return func(_, n int) {
			ran := 0
			each(keys, n, func(key string) {
				if err := call(key, &ran); (err != nil) != p.scarce {
					wrong.note(kind.name)
				}
			})
			if ran > 0 == p.scarce {
				wrong.note(kind.name)
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
		return func(key string, ran *int) error {
			return g.DoCall(ctx, guard.Call{Key: ratelimit.KeyOf(key)}, func(context.Context) error {
				*ran++
				return nil
			})
		}, nil
	}
	workers := must(pool.New("bench", pool.Config{Size: 8}, pool.Factory[*resource]{
		New: func(context.Context) (*resource, error) { return newResource() },
	}))
	cfg.Pool = workers
	bound := must(guard.Bind[*resource](must(guard.New("bench", cfg))))
	return func(key string, ran *int) error {
		_, err := guard.DoWith(ctx, bound, guard.Call{Key: ratelimit.KeyOf(key)}, func(context.Context, *resource) (struct{}, error) {
			*ran++
			return struct{}{}, nil
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
	ctx := context.Background()
	if !p.pool {
		return func(key string, ran *int) error {
			if !allow(key) {
				return errLimited
			}
			_, err := cb.Execute(func() (struct{}, error) {
				ctx, cancel := bounded(ctx, p.timeout)
				defer cancel()
				_ = ctx
				*ran++
				return struct{}{}, nil
			})
			return err
		}, nil
	}
	workers := must(puddle.NewPool(&puddle.Config[*resource]{
		Constructor: func(context.Context) (*resource, error) { return newResource() },
		Destructor:  func(*resource) {},
		MaxSize:     8,
	}))
	return func(key string, ran *int) error {
		if !allow(key) {
			return errLimited
		}
		_, err := cb.Execute(func() (struct{}, error) {
			r, err := workers.Acquire(ctx)
			if err != nil {
				return struct{}{}, err
			}
			defer r.Release()
			*ran++
			return struct{}{}, nil
		})
		return err
	}, workers.Close
}}

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

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
	return func(_ string, ran *int) error {
		return executor.RunWithExecution(func(failsafe.Execution[any]) error {
			*ran++
			return nil
		})
	}, nil
}}
