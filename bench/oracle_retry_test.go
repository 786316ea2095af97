package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	fsratelimiter "github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/elixirscope/foundation/breaker"
	"github.com/elixirscope/foundation/fault"
	"github.com/elixirscope/foundation/guard"
	"github.com/elixirscope/foundation/ratelimit"
	"github.com/elixirscope/foundation/retry"
)

// The port of docs/coming-from-failsafe-go.md: the same five policies, in one guard and as
// failsafe-go composes them. Both get the same faults, and what is seen of both is compared: how
// often the dependency was asked, what the caller got, and when.

// protected makes a call of the dependency under the five policies.
type protected func(ctx context.Context, dependency func(context.Context) error) error

const (
	portLimit, portPlaces, portFailures = 8, 2, 4
	portUnbounded                       = 1000

	portTimeout, portAttempt, portCooldown = 5 * time.Second, 2 * time.Second, time.Minute
)

func portOfOurs(limited uint, failures int) protected {
	limit := must(ratelimit.New("orders", ratelimit.Config{Algorithm: ratelimit.FixedWindow, Limit: int64(limited), Per: time.Hour}))
	health := must(breaker.New("orders", breaker.Config{FailureThreshold: failures, Window: time.Hour, Cooldown: portCooldown}))
	g := must(guard.New("orders", guard.Config{
		RateLimit: limit, Concurrency: portPlaces, Breaker: health, Timeout: portTimeout,
		Retry: &retry.Config{Attempts: 3, Backoff: 1, BackoffMax: 1, AttemptTimeout: portAttempt},
	}))
	return func(ctx context.Context, dependency func(context.Context) error) error {
		return g.DoCall(ctx, guard.Call{Idempotent: true}, dependency)
	}
}

func portOfTheirs(limited uint, failures int) protected {
	limit := fsratelimiter.NewBurstyBuilder[any](limited, time.Hour).Build()
	places := bulkhead.New[any](portPlaces)
	health := circuitbreaker.NewBuilder[any]().WithFailureThresholdPeriod(uint(failures), time.Hour).WithDelay(portCooldown).Build()
	retries := retrypolicy.NewBuilder[any]().WithMaxAttempts(3).Build()
	all := failsafe.With[any](limit, places, timeout.New[any](portTimeout), retries, health, timeout.New[any](portAttempt))
	return func(ctx context.Context, dependency func(context.Context) error) error {
		return all.WithContext(ctx).RunWithExecution(func(exec failsafe.Execution[any]) error { return dependency(exec.Context()) })
	}
}

var errPort = errors.New("the dependency is down")

// ending tells in a word what a caller got, of either library.
func ending(err error) string {
	for word, errs := range map[string][]error{
		"limited": {fault.RateLimited, fsratelimiter.ErrExceeded}, "full": {fault.ConcurrencyLimited, bulkhead.ErrFull}, "open": {fault.CircuitOpen, circuitbreaker.ErrOpen},
		"timeout": {fault.CallTimeout, timeout.ErrExceeded},
	} {
		for _, one := range errs {
			if errors.Is(err, one) {
				return word
			}
		}
	}
	switch {
	case err == nil:
		return "well"
	case errors.Is(err, errPort):
		return "failed"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return err.Error()
}

// episode is what happens to one or several calls, and what is seen of them.
type episode struct {
	asked int
	ends  []string
	took  time.Duration // of the last call
}

func (e *episode) call(ctx context.Context, do protected, dependency func(context.Context, int) error) {
	began, n := time.Now(), 0
	err := do(ctx, func(ctx context.Context) error {
		e.asked++
		n++
		return dependency(ctx, n)
	})
	e.ends, e.took = append(e.ends, ending(err)), time.Since(began).Round(time.Millisecond)
}

func down(context.Context, int) error { return errPort }
func fine(context.Context, int) error { return nil }
func hangs(ctx context.Context, _ int) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestOracle_FailsafeGoAgreesOnFivePolicies(t *testing.T) {
	for about, play := range map[string]func(*testing.T, protected) episode{
		"well": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, fine)
			return e
		},
		"well at the third attempt": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, func(_ context.Context, n int) error {
				if n < 3 {
					return errPort
				}
				return nil
			})
			return e
		},
		"in vain": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, down)
			return e
		},
		"an attempt that hangs": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, func(ctx context.Context, n int) error {
				if n == 1 {
					return hangs(ctx, n)
				}
				return nil
			})
			return e
		},
		"all attempts hang": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, hangs)
			return e
		},
		"more than the limit": func(t *testing.T, do protected) (e episode) {
			for range portLimit + 2 {
				e.call(t.Context(), do, fine)
			}
			return e
		},
		"retries take no token": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, down)
			for range portLimit {
				e.call(t.Context(), do, fine)
			}
			return e
		},
		"no place": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, func(ctx context.Context, _ int) error {
				return do(ctx, func(ctx context.Context) error {
					e.call(ctx, do, fine)
					return nil
				})
			})
			return e
		},
		"the breaker opens and closes": func(t *testing.T, do protected) (e episode) {
			e.call(t.Context(), do, down)
			e.call(t.Context(), do, down)
			e.ends = e.ends[:1] // how the call ends that met the opening is where the two differ, see below
			e.call(t.Context(), do, fine)
			<-time.After(portCooldown + time.Second)
			e.call(t.Context(), do, fine)
			return e
		},
		"a caller that leaves": func(t *testing.T, do protected) (e episode) {
			left, leave := context.WithCancel(t.Context())
			timer := time.AfterFunc(time.Second, leave)
			defer timer.Stop()
			e.call(left, do, hangs)
			return e
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := play(t, portOfOurs(portLimit, portFailures)), play(t, portOfTheirs(portLimit, portFailures))
			if ours.asked != theirs.asked || ours.took != theirs.took || len(ours.ends) != len(theirs.ends) {
				t.Errorf("%s: ours %+v, theirs %+v", about, ours, theirs)
				return
			}
			for i := range ours.ends {
				if ours.ends[i] != theirs.ends[i] {
					t.Errorf("%s: call %d: ours %q, theirs %q", about, i+1, ours.ends[i], theirs.ends[i])
				}
			}
		})
	}
}

// Where the two differ on purpose, and the guide says so.
func TestOracle_WhereFailsafeGoDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ours, theirs episode
		mine, other := portOfOurs(portLimit, portFailures), portOfTheirs(portLimit, portFailures)
		for range 2 { // with the fourth failure, the first of the second call, the breaker opens
			ours.call(t.Context(), mine, down)
			theirs.call(t.Context(), other, down)
		}
		if ours.ends[1] != "failed" || theirs.ends[1] != "open" {
			t.Errorf("the call that opens the breaker: ours ends %q, theirs %q", ours.ends[1], theirs.ends[1])
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var ours, theirs episode
		mine, other := portOfOurs(portUnbounded, portUnbounded), portOfTheirs(portUnbounded, portUnbounded)
		for range 100 {
			ours.call(t.Context(), mine, down)
			theirs.call(t.Context(), other, down)
		}
		if ours.asked > 130 || theirs.asked != 300 { // 20 % of 100 and one a second for ten seconds
			t.Errorf("100 calls to a dead dependency: ours ask it %d times, theirs %d", ours.asked, theirs.asked)
		}
	})
}
