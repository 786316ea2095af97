// Package retry makes a call again that failed, so that a short fault is not seen and a
// long one is not made worse.
//
// # Usage
//
//	payments, err := retry.New(retry.Config{Attempts: 3}) // one for each dependency
//	err = payments.Do(ctx, charge)
//	order, err := retry.Do(ctx, payments, fetchOrder)
//
// A guard does the same with [Config] as its policy, and beyond that has a breaker,
// a worker and a time limit for each attempt: see package guard. Use a [Retrier] where
// there is no guard. Either way, only make a call again that does no harm twice.
//
// # The policy
//
// [Config] is plain data and [Config.Next] a pure function: whether there is another
// attempt, and after which wait, follows from how many there were, how the last one
// ended, the deadline, and a random number. The wait is exponential with full jitter:
// any duration from 0 to the back-off, so that callers that failed together do not
// return together. What the dependency asked for, as in a Retry-After field, comes on
// top; where it asks for more than the policy allows, there is no further attempt.
//
// # The budget
//
// However many attempts a policy allows, retries to one dependency never exceed a
// share of its first attempts, 20 % by default, and one per second, counted over ten
// seconds: see [Budget]. A dependency that fails altogether gets a fifth more load, not
// three times as much.
//
// # Layers
//
// If each of three layers makes three attempts, the lowest sees 27 calls for one. The
// error of a call that was retried in vain is therefore marked as [Final], and a layer
// further out that finds the mark does not retry. errors.Is and errors.As see through it.
//
// # Errors
//
// The error of a call that failed is that of its last attempt. A retry that was
// not made, for whatever reason, never takes its place.
//
// # Concurrency
//
// Everything is safe for concurrent use. [Retrier.Do] blocks while the function runs and
// for the waits between attempts, which end with the context. No goroutine is started.
package retry
