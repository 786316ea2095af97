// Package guard puts a call to something that can fail or be exhausted behind
// every protection that it needs, in one step: memory admission, a bound on
// concurrency, a circuit breaker, a rate limit, a pool of workers, a time limit.
//
// # Usage
//
//	checkout, err := guard.New("checkout", guard.Config{Breaker: payments, RateLimit: perUser, Timeout: 2 * time.Second})
//	err = checkout.Do(ctx, func(ctx context.Context) error { … })
//	order, err := guard.Do(ctx, checkout, guard.Call{Key: ratelimit.KeyOf("user", id)}, placeOrder)
//
// Which entry point to use:
//
//   - [Guard.Do], or [Do] for a function with a result: nearly always.
//   - [Bind] and [DoWith] where the guard has a pool: the function gets a worker.
//   - [Op] where the result says whether the call was good, or where there is
//     something to fall back to.
//   - [Guard.Enter] where a call does not fit in a function: a stream, an
//     interceptor with two hooks.
//   - [DoHedged] for an idempotent call that should not wait for a slow attempt: another one
//     starts beside it, and the first good one gives the result.
//   - [DoDetached] for a function that ignores its context: the caller is answered
//     on time nevertheless, at the price of a goroutine.
//
// # The way of a call
//
//	context done? → memory → concurrency → breaker (a look) → rate limit
//	              → pool → breaker (its permit) → the call → settle
//
// What refuses most cheaply and takes nothing comes first: an open circuit
// takes no tokens and holds no worker. Admission is one transaction. If a stage refuses,
// what earlier ones gave is given back. Everything is settled exactly once,
// even if the call panics, ends its goroutine, is canceled or runs out of time.
// docs/guard.md gives the reasons.
//
// With [Config.Retry], a call marked [Call.Idempotent] that fails is tried again. Breaker,
// worker and the call itself are then each attempt's own; all other stages are
// passed once, and the call is counted and recorded once. See package retry.
//
// # Concurrency
//
// Everything is safe for concurrent use. A call blocks only for a turn
// of a leaky bucket, for a worker of the pool, and between two attempts. A guard starts no goroutine, except
// that [DoDetached] and hedged calls run their functions in some and that a timer takes back expired leases. [Guard.Reconfigure] replaces the settings of all calls that begin later;
// every call sees one revision whole.
//
// # Errors
//
// A refused call returns a *[fault.Error] and the function did not run. Else the
// error is the function's own, as it is; only when the guard's time limit ended
// the call is it wrapped in [fault.CallTimeout]. After several attempts it is that of the
// last one, marked as [retry.Final].
//
// # What is not promised
//
// A panic is not recovered. A function that ignores its context makes [Guard.Do]
// late. In shadow mode a call still waits for a worker and is refused without
// one, since nobody can make it without.
//
// # Testing
//
// Package guardtest has guards that admit or refuse everything.
package guard
