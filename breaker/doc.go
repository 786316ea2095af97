// Package breaker refuses calls to a dependency that keeps failing, and finds
// out by itself when it may be called again.
//
// # Usage
//
// Make one [Breaker] for each dependency, or a [Group] for one per host or
// tenant, and let every call go through it:
//
//	payments, err := breaker.New("payments", breaker.Config{FailureThreshold: 5, Window: 10 * time.Second})
//	err = payments.Do(ctx, func(ctx context.Context) error { return charge(ctx, order) })
//
// [Do] returns a typed result, and [Breaker.Allow] is for code that cannot be put
// into a function:
//
//	permit := payments.Allow()
//	if !permit.OK() {
//		return permit.Err()
//	}
//	defer permit.Failure(nil) // counts only if nothing below was reached
//	…
//	permit.Success()
//
// # States
//
//	          a rule trips                    cooldown over
//	closed ───────────────────► open ───────────────────────► half-open
//	  ▲                           ▲                               │ │
//	  │                           └────────── a probe fails ──────┘ │
//	  └──────────────────── enough probes succeed ──────────────────┘
//
// An operator can lay an override over the machine ([Breaker.Force]); below it the machine stands still and goes on, with
// the time that has passed, when the override ends.
//
// # Time
//
// A breaker has no timer and no goroutine. The end of a cooldown is noticed by
// whoever comes next: a call makes the transition, a read only tells what a call
// would meet. Reading never changes anything.
//
// # Concurrency
//
// Everything is safe for concurrent use, except that one [Permit] belongs to one
// goroutine at a time. Nothing blocks, beyond a mutex held for the time it takes
// to count a failure. Event handlers run outside every lock, in the order of the
// transitions, in the goroutine of some call; a slow one delays that call.
//
// # Errors
//
// A refusal is a *[fault.Error] with code [fault.CircuitOpen]; all calls that one
// open episode refuses share one error. A refused configuration is
// [fault.InvalidConfig] and lists every fault. Errors of the guarded function are
// returned as they are.
//
// # What is not promised
//
// A result that comes after the state changed is dropped: it speaks of the past.
// The ratio rules forget a call up to 1/32 of the window early. A lost probe is
// noticed when its lease ends, not before.
package breaker
