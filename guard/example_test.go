package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/mode"
	"github.com/elixirscope/foundation/outcome"
	"github.com/elixirscope/foundation/pool"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
	"github.com/elixirscope/foundation/telemetry"
)

var ctx = context.Background()

// A guard needs no files and no other parts than those that it is given.
func Example() {
	payments, err := breaker.New("payments", breaker.Config{FailureThreshold: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	checkout, err := guard.New("checkout", guard.Config{Breaker: payments, Timeout: 2 * time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	pay := func(context.Context) error { return errors.New("connection refused") }
	for range 3 {
		fmt.Println(errors.Is(checkout.Do(ctx, pay), fault.CircuitOpen))
	}
	// Output:
	// false
	// false
	// true
}

func ExampleNew() {
	_, err := guard.New("checkout", guard.Config{Timeout: -time.Second, Concurrency: -1})
	fmt.Println(err)
	// Output:
	// guard "checkout": invalid_config: invalid configuration
	// 	timeout -1s: must be positive and at most 24h0m0s, or left out
	// 	concurrency -1: must be between 1 and 1073741824, or left out for no bound
}

func ExampleConfig_Warnings() {
	cfg := guard.Config{CheckoutTimeout: time.Second}
	fmt.Println(cfg.Validate(), cfg.Warnings())
	// Output: <nil> [warning: checkout_timeout 1s: means nothing without a pool]
}

func ExampleGuard_Do() {
	g := must(guard.New("mail", guard.Config{Timeout: 10 * time.Millisecond}))
	err := g.Do(ctx, func(ctx context.Context) error {
		<-ctx.Done() // a slow server
		return ctx.Err()
	})
	fmt.Println(errors.Is(err, fault.CallTimeout), errors.Is(err, context.DeadlineExceeded))
	// Output: true true
}

func ExampleGuard_DoCall() {
	perUser := must(ratelimit.New("per-user", ratelimit.Config{Limit: 10, Per: time.Minute}))
	g := must(guard.New("reports", guard.Config{RateLimit: perUser}))
	call := guard.Call{Key: ratelimit.KeyOf("user", 17), Cost: 6, Op: "export"}
	for range 2 {
		err := g.DoCall(ctx, call, func(context.Context) error { return nil })
		if f, ok := errors.AsType[*fault.Error](err); ok {
			fmt.Println(f.Code(), f.Evidence()[0], f.RetryAfter().Round(time.Second))
		}
	}
	// Output: rate_limited remaining 4 of 10 12s
}

func ExampleDo() {
	g := must(guard.New("orders", guard.Config{Concurrency: 64}))
	id, err := guard.Do(ctx, g, guard.Call{}, func(context.Context) (int, error) { return 42, nil })
	fmt.Println(id, err)
	// Output: 42 <nil>
}

func ExampleOp() {
	price := guard.Op[string]{
		Guard: must(guard.New("prices", guard.Config{})),
		Classify: func(v string, err error) outcome.Outcome {
			if err != nil || v == "" {
				return outcome.Failure
			}
			return outcome.Success
		},
		Fallback: func(_ context.Context, err error) (string, error) {
			fmt.Println(err)
			return "yesterday's", nil
		},
	}
	v, err := price.Do(ctx, guard.Call{}, func(context.Context) (string, error) { return "", nil })
	fmt.Println(v, err)
	// Output:
	// guard "prices": operation_failed: the result counts as a failure
	// yesterday's <nil>
}

func ExampleOp_Do() {
	op := guard.Op[int]{Guard: must(guard.New("prices", guard.Config{}))}
	fmt.Println(op.Do(ctx, guard.Call{Op: "lookup"}, func(context.Context) (int, error) { return 7, nil }))
	// Output: 7 <nil>
}

// A call that does not fit in a function, as in an interceptor with two hooks.
func ExampleGuard_Enter() {
	g := must(guard.New("stream", guard.Config{Concurrency: 8}))
	receive := func() error {
		tok, err := g.Enter(ctx, guard.Call{Op: "receive"})
		if err != nil {
			return err
		}
		defer tok.Close()
		err = errors.New("connection reset")
		tok.Done(err)
		return err
	}
	fmt.Println(receive(), g.Status().Results[guard.Failed])
	// Output: connection reset 1
}

// The answer is good, and is still being read: it keeps its place until Close.
func ExampleToken_Settle() {
	g := must(guard.New("download", guard.Config{Concurrency: 1}))
	tok, err := g.Enter(ctx, guard.Call{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tok.Settle(outcome.Success, nil)
	s := g.Status()
	fmt.Println(s.Results[guard.Succeeded], s.InFlight)
	tok.Close()
	fmt.Println(g.Status().InFlight)
	// Output:
	// 1 1
	// 0
}

// session is what the pool of the examples lends.
type session struct{ name string }

func ExampleBind() {
	sessions := must(pool.New("sessions", pool.Config{Size: 2}, pool.Factory[*session]{
		New: func(context.Context) (*session, error) { return &session{"first"}, nil },
	}))
	defer func() { _ = sessions.Close(ctx) }()
	g := must(guard.New("orders", guard.Config{Pool: sessions, Timeout: time.Second}))
	orders, err := guard.Bind[*session](g) // checks the type once
	if err != nil {
		fmt.Println(err)
		return
	}
	name, err := guard.DoWith(ctx, orders, guard.Call{}, func(_ context.Context, s *session) (string, error) { return s.name, nil })
	fmt.Println(name, err)
	fmt.Println(errors.Is(g.Do(ctx, func(context.Context) error { return nil }), fault.InvalidArgument))
	// Output:
	// first <nil>
	// true
}

func ExampleDoWith() {
	sessions := must(pool.New("sessions", pool.Config{Size: 1}, pool.Factory[*session]{
		New: func(context.Context) (*session, error) { return nil, errors.New("no route to host") },
	}))
	defer func() { _ = sessions.Close(ctx) }()
	db := must(guard.Bind[*session](must(guard.New("orders", guard.Config{Pool: sessions}))))
	_, err := guard.DoWith(ctx, db, guard.Call{}, func(context.Context, *session) (int, error) { return 1, nil })
	fmt.Println(errors.Is(err, fault.WorkerFailed))
	// Output: true
}

// The library function ignores its context; the caller is answered on time.
func ExampleDoDetached() {
	g := must(guard.New("legacy", guard.Config{Timeout: 10 * time.Millisecond}))
	release := make(chan struct{})
	ended := make(chan struct{})
	_, err := guard.DoDetached(ctx, g, guard.Call{}, func(context.Context) (int, error) {
		defer close(ended)
		<-release
		return 1, nil
	})
	fmt.Println(errors.Is(err, fault.CallTimeout), g.Status().Detached)
	close(release)
	<-ended
	// Output: true 1
}

func ExampleNeutral() {
	b := must(breaker.New("search", breaker.Config{FailureThreshold: 1}))
	g := must(guard.New("search", guard.Config{Breaker: b}))
	badQuery := errors.New("no such field")
	err := g.Do(ctx, func(context.Context) error { return guard.Neutral(badQuery) })
	fmt.Println(errors.Is(err, badQuery), b.State())
	// Output: true closed
}

func ExampleWithPriority() {
	nightly := guard.WithPriority(ctx, guard.Bulk)
	fmt.Println(guard.PriorityOf(nightly))
	// Output: bulk
}

// Every team starts like this: everything is decided and counted, nothing is
// refused.
func ExampleGuard_Status_shadow() {
	perUser := must(ratelimit.New("per-user", ratelimit.Config{Limit: 1, Per: time.Hour}))
	g := must(guard.New("checkout", guard.Config{RateLimit: perUser, Mode: mode.Shadow}))
	for range 3 {
		fmt.Println(g.Do(ctx, func(context.Context) error { return nil }))
	}
	fmt.Println(g.Status().WouldRefuse[fault.RateLimited])
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// 2
}

func ExampleGuard_Reconfigure() {
	g := must(guard.New("checkout", guard.Config{Concurrency: 8}))
	fmt.Println(g.Reconfigure(guard.Config{Concurrency: 16}), g.Status().Revision, g.Config().Concurrency)
	// Output: <nil> 2 16
}

func ExampleGuard_Remove() {
	g := must(guard.New("checkout", guard.Config{}))
	g.Remove()
	fmt.Println(g.Do(ctx, func(context.Context) error { return nil }))
	// Output: guard "checkout": not_found: the guard was removed
}

func ExampleExecuted() {
	bus := telemetry.NewBus()
	g := must(guard.New("checkout", guard.Config{Concurrency: 4}, guard.WithBus(bus)))
	must(telemetry.Subscribe(bus, "print", func(_ context.Context, e guard.Executed) {
		fmt.Printf("%s %s %v %v\n", e.Guard, e.Op, e.Protections, e.Result)
	}))
	_ = g.DoCall(ctx, guard.Call{Op: "pay"}, func(context.Context) error { return nil })
	// Output: checkout pay [concurrency] success
}

func ExampleGuard_Collect() {
	g := must(guard.New("checkout", guard.Config{}))
	_ = g.Do(ctx, func(context.Context) error { return nil })
	g.Collect(func(s telemetry.Sample) {
		if s.Desc.Name == "foundation_calls_total" && s.Value > 0 {
			fmt.Println(s.Desc.Name, strings.Join(s.Labels, " "), s.Value)
		}
	})
	// Output: foundation_calls_total checkout success 1
}

// Every protection of a call in one guard: a rate limit, a bulkhead, a time limit for all
// attempts and one for each, a breaker, and retries.
func Example_allProtections() {
	perSecond, _ := ratelimit.New("orders", ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: 100, Per: time.Second})
	dependency, _ := breaker.New("orders", breaker.Config{FailureThreshold: 5, Window: 10 * time.Second, Cooldown: 30 * time.Second})
	orders, err := guard.New("orders", guard.Config{
		RateLimit: perSecond, Concurrency: 64, Breaker: dependency, Timeout: 2 * time.Second,
		Retry: &retry.Config{Attempts: 3, Backoff: time.Millisecond, AttemptTimeout: 500 * time.Millisecond},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	attempts := 0
	order, err := guard.Do(ctx, orders, guard.Call{Idempotent: true}, func(context.Context) (string, error) {
		if attempts++; attempts < 3 {
			return "", errors.New("connection reset")
		}
		return "order 7", nil
	})
	fmt.Println(order, err, attempts)
	// Output: order 7 <nil> 3
}
