// Package ratelimit decides how many calls of a key may pass in which time.
//
// # Usage
//
// A [Limiter] applies one rule to any number of keys:
//
//	perUser, err := ratelimit.New("per_user", ratelimit.Config{Limit: 100, Per: time.Minute, Burst: 20})
//	if d := perUser.Allow(ratelimit.KeyOf("user", id)); !d.OK {
//		return d.Err() // says why, and when to try again
//	}
//
// Use [Limiter.Allow] where a refused call is answered at once, [Limiter.Wait]
// where it should rather take longer, and [Limiter.Reserve] where the caller can
// do something else meanwhile. [Limiter.Peek] takes nothing. What was taken for a
// call that then did not happen is given back with [Decision.Refund].
//
// # Exactness
//
// All arithmetic is in integers of up to 128 bits on the monotonic clock. A
// refused call takes nothing, RetryAfter is exact to the nanosecond, and the
// numbers stay right up to the ends of their types.
//
// # Memory
//
// A key costs less than 100 bytes (two-word algorithms), is dropped only once it
// is as if it had never been used (for a second, or 10 ms while there is no room), and at most Config.MaxKeys are tracked; beyond
// that new keys share buckets, so that a flood of keys gets neither memory nor
// quota.
//
// # Concurrency
//
// Everything is safe for concurrent use. Known keys of gcra, leaky_bucket and the
// two window algorithms are decided without a lock and without allocating. There
// is no goroutine: sweeping is done by calls, a few keys at a time.
//
// # What is not promised
//
// Limiters of different processes know nothing of each other; see package shared
// for counters that are. With parents, a call that the parent refuses holds
// its child's tokens for a moment, in which another call of that child may be
// refused.
package ratelimit
